"""SIGKILL at random moments: nothing acknowledged is lost, running pods stay, nothing leaks."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from podsysctl.apiserver import kubeconfig
from podsysctl.node.status_writer import PODS
from podsysctl.runtime import commands
from podsysctl.runtime.containerd import PrivateContainerd
from tests.node.cluster import NODE, Cluster, container, is_ready, pod, running_cluster, waiting

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


async def test_container_that_a_cut_off_start_left_running_is_replaced_and_removed(
    containerd: PrivateContainerd, tmp_path: Path
) -> None:
    """CRI says that a container ended and its process lives: its successor is alone, and the pod can be removed.

    The state is what StartContainer leaves when its caller is killed. Here containerd itself is told to start the
    container that CRI could not start.
    """
    program = tmp_path / "program"
    program.mkdir()
    mount = {"name": "program", "mountPath": "/program"}
    body = pod("a", container("c", "/program/run", volumeMounts=[mount]))
    body["spec"]["volumes"] = [{"name": "program", "hostPath": {"path": str(program)}}]
    async with running_cluster(containerd) as cluster:
        await cluster.start_agent()
        await cluster.create(body)
        await cluster.wait("a", lambda found: waiting(found) in ("RunContainerError", "CrashLoopBackOff"))
        await cluster.stop_agent()
        [failed, *_] = await cluster.runtime.list_containers()
        (program / "run").write_text("#!/bin/bash\nexec sleep infinity\n")
        (program / "run").chmod(0o755)
        ctr = ("ctr", "--address", str(containerd.paths.socket), "--namespace", "k8s.io", "task")
        await commands.run(*ctr, "start", "--detach", "--null-io", failed.id)
        assert failed.id in await commands.run(*ctr, "list", "--quiet")
        await cluster.start_agent()
        await cluster.wait("a", is_ready)
        assert failed.id not in await commands.run(*ctr, "list", "--quiet")
        await cluster.delete("a")
        await cluster.wait_gone("a")
        await cluster.wait_clean()
