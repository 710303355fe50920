"""SIGKILL at random moments: nothing acknowledged is lost, running pods stay, nothing leaks."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from podsysctl.apiserver import kubeconfig
from podsysctl.node.status_writer import PODS
from podsysctl.runtime.containerd import PrivateContainerd
from tests.node.cluster import NODE, Cluster, is_ready, pod, running_cluster

pytestmark = [pytest.mark.runtime, pytest.mark.root]

PODS_CREATED = 24
KILLS = 5


@asynccontextmanager
async def _agent_process(cluster: Cluster, credentials: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The agent as a process of its own, so that it can be killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "podsysctl.node",
        f"--kubeconfig={credentials}",
        f"--container-runtime-endpoint={cluster.runtime.endpoint}",
        f"--node-name={NODE}",
        f"--root-dir={cluster.config.root}",
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_agent_loses_and_leaks_nothing(containerd: PrivateContainerd) -> None:
    """An agent killed again and again while pods are made still brings all of them up, and removes all of them."""
    async with running_cluster(containerd) as cluster:
        credentials = str(kubeconfig.write_admin(cluster.api))
        names = [f"p{i}" for i in range(PODS_CREATED)]
        creations = asyncio.gather(*(cluster.create(pod(name)) for name in names))
        for _ in range(KILLS):
            async with _agent_process(cluster, credentials) as process:
                await asyncio.sleep(random.uniform(0.5, 2.5))
                process.send_signal(signal.SIGKILL)
        await creations
        async with _agent_process(cluster, credentials):
            for name in names:
                await cluster.wait(name, is_ready, timeout_s=60)
            sandboxes = [s for s in await cluster.sandboxes() if s.state == 0]
            assert sorted(s.metadata.name for s in sandboxes) == sorted(names)
            await asyncio.gather(*(cluster.delete(name) for name in names[: PODS_CREATED // 2]))
            await asyncio.sleep(random.uniform(0.0, 1.5))
        async with _agent_process(cluster, credentials):
            await asyncio.gather(*(cluster.delete(name) for name in names[PODS_CREATED // 2 :]))
            for name in names:
                await cluster.wait_gone(name)
            await cluster.wait_clean()
            assert (await cluster.client.list(PODS, "default")).items == []
