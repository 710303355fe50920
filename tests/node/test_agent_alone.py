"""`python -m podsysctl.node --node-tuning`: the node's Profile reaches the kernel, and goes with the agent."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from podsysctl.apiserver import kubeconfig
from podsysctl.kernel import procsys
from podsysctl.node.tuning.files import Places
from podsysctl.objects import tuning
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy.platform import Platform
from podsysctl.runtime.containerd import PrivateContainerd
from podsysctl.sysctls.name import SysctlName, parse_name
from tests.node.cluster import NODE, Cluster, running_cluster
from tests.node_tuning.conftest import host

pytestmark = [pytest.mark.runtime, pytest.mark.root]
__all__ = ["host"]

LEASE = parse_name("fs.lease-break-time")


@asynccontextmanager
async def agent(cluster: Cluster) -> AsyncIterator[asyncio.subprocess.Process]:
    """The agent as a process of its own, which tunes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "podsysctl.node", "--node-tuning",
        f"--kubeconfig={kubeconfig.write_admin(cluster.api)}",
        f"--container-runtime-endpoint={cluster.runtime.endpoint}",
        f"--node-name={NODE}", f"--root-dir={cluster.config.root}",
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()  # its code is lost where another waiter of this process was quicker


async def test_agent_alone_applies_its_profile_and_takes_it_back(
    containerd: PrivateContainerd, host: dict[SysctlName, str]
) -> None:
    """Told in the status while it runs; the original is back after its end, and after the next start's when killed."""
    wanted = str(int(host[LEASE]) + 1)
    async with running_cluster(containerd, platform=Platform.OPENSHIFT) as cluster:
        namespaces = builtin_by_resource("", "v1", "namespaces")
        listed = {found["metadata"]["name"] for found in (await cluster.client.list(namespaces)).items}
        if tuning.NAMESPACE not in listed:
            document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tuning.NAMESPACE}}
            await cluster.client.create(namespaces, document)
        spec = {
            "config": {"tunedProfile": "p"},
            "profile": [{"name": "p", "data": f"[sysctl]\n{LEASE}={wanted}\n"}],
        }
        profile = {"apiVersion": tuning.PROFILE.api_version, "kind": "Profile",
                   "metadata": {"name": NODE, "namespace": tuning.NAMESPACE}, "spec": spec}  # fmt: skip
        await cluster.client.create(tuning.PROFILE, profile)

        async def applied() -> bool:
            found = await cluster.client.get(tuning.PROFILE, NODE, tuning.NAMESPACE)
            conditions = (found.get("status") or {}).get("conditions") or ()
            return any(c["type"] == "Applied" and c["status"] == "True" for c in conditions)

        async with agent(cluster) as process:
            await cluster.until(applied, "the Profile is applied")
            assert procsys.read(LEASE) == wanted
            process.kill()
        assert procsys.read(LEASE) == wanted
        await cluster.client.patch(
            tuning.PROFILE, NODE, {"status": {"conditions": []}}, namespace=tuning.NAMESPACE, subresource="status"
        )
        async with agent(cluster):
            await cluster.until(applied, "the Profile is applied again")
        assert procsys.read(LEASE) == host[LEASE]
        assert Places(cluster.config.root).journal.read_text() == ""
