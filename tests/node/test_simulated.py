"""Nodes without a runtime: real gates, real statuses, real configuration changes, and no process."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.client.informer import InformerSet
from podsysctl.controllers.daemonset import DaemonSetController
from podsysctl.controllers.machineconfig.operator import MachineConfigOperator
from podsysctl.controllers.scope import DAEMON_SETS, LEASES, NODES, PODS
from podsysctl.controllers.tuning.controller import NodeTuningController
from podsysctl.node.config import KubeletConfiguration
from podsysctl.node.simulated import fleet as simulated
from podsysctl.node.simulated.fleet import SimulatedFleet, remove_others
from podsysctl.objects import machineconfig as names
from podsysctl.objects import tuning
from podsysctl.objects.simulated import MARK
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]
WORKER = f"{names.NODE_ROLE_PREFIX}worker"
UNSAFE = [{"name": "kernel.msgmax", "value": "65536"}]


@contextlib.asynccontextmanager
async def fleet(cluster: Cluster, root: Path, count: int) -> AsyncIterator[None]:
    """So many nodes, running."""
    informers = InformerSet(cluster.client)
    nodes = SimulatedFleet(
        cluster.client,
        informers,
        [f"simulated-{i}" for i in range(count)],
        root,
        labels={WORKER: ""},
        kubelet=KubeletConfiguration(),
    )
    tasks = [asyncio.create_task(job) for job in (informers.run(), nodes.run())]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def pools(cluster: Cluster) -> AsyncIterator[None]:
    """The machine configuration controllers, running."""
    operator = asyncio.create_task(MachineConfigOperator(cluster.client).run())
    try:
        yield
    finally:
        operator.cancel()
        await asyncio.gather(operator, return_exceptions=True)


def pod(name: str, *, node: str = "", sysctls: list[dict[str, str]] | None = None, **metadata: Any) -> Object:
    """A pod with an init container and a container, perhaps bound already."""
    spec: Object = {
        "initContainers": [{"name": "i", "image": "x"}],
        "containers": [{"name": "c", "image": "x"}],
        "securityContext": {"sysctls": sysctls or []},
    }
    if node:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": spec,
    }


async def phase(cluster: Cluster, name: str) -> Object | None:
    """The pod once it has left Pending."""
    found = await cluster.get(PODS, name)
    return found if found and found["status"].get("phase") != "Pending" else None


async def is_gone(cluster: Cluster, name: str) -> bool:
    """Whether the pod is gone."""
    return await cluster.get(PODS, name) is None


async def configured(cluster: Cluster, count: int, most_pods: int) -> bool:
    """Whether so many nodes are Done with this number of pods."""
    nodes = (await cluster.client.list(NODES)).items
    done = [n for n in nodes if names.annotation(n, names.STATE) == names.DONE]
    return len(done) == count and all(n["status"]["capacity"]["pods"] == str(most_pods) for n in done)


def kubelet_config(**fields: Any) -> Object:
    """A KubeletConfig for the workers."""
    labels = {f"{names.POOL_LABEL_PREFIX}worker": ""}
    return {
        "apiVersion": names.KUBELET_CONFIG.api_version,
        "kind": "KubeletConfig",
        "metadata": {"name": "kc"},
        "spec": {"machineConfigPoolSelector": {"matchLabels": labels}, "kubeletConfig": fields},
    }


async def test_pod_on_simulated_node_runs_and_says_so(tmp_path: Path) -> None:
    """Running and Ready, its init container done, no address, and the annotation; deleted, it goes at once."""
    async with running(kubelet=False) as cluster, fleet(cluster, tmp_path, 2):
        await cluster.client.create(PODS, pod("p"))
        found = await cluster.until(lambda: phase(cluster, "p"))
        status = found["status"]
        assert found["metadata"]["annotations"] == {MARK: "true"}
        assert status["phase"] == "Running"
        assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True"
        assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
        assert status["containerStatuses"][0]["containerID"].startswith("simulated://")
        assert "podIP" not in status
        await cluster.client.delete(PODS, "p", "default")
        await cluster.until(lambda: is_gone(cluster, "p"))


async def test_heartbeat_without_news_leaves_the_node_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases show that the nodes live; their status is written again only when it says something else."""
    monkeypatch.setattr(simulated, "HEARTBEAT_S", 0.2)
    async with running(kubelet=False) as cluster, fleet(cluster, tmp_path, 2):

        async def lease() -> Any:
            found = await cluster.get(LEASES, "simulated-0", "kube-node-lease")
            return found and found["spec"]["renewTime"]

        async def later(than: str) -> Any:
            now = await lease()
            return now > than and now

        first = await cluster.until(lease)
        second = await cluster.until(lambda: later(first))  # the first heartbeat was after every write of the start
        node = await cluster.client.get(NODES, "simulated-0")
        third = await cluster.until(lambda: later(second))
        await cluster.until(lambda: later(third))
        assert await cluster.client.get(NODES, "simulated-0") == node


async def test_log_of_simulated_pod_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The server dials no node that has no endpoint; it names the node and why there is nothing."""
    async with running(kubelet=False) as cluster, fleet(cluster, tmp_path, 1):
        await cluster.client.create(PODS, pod("p", node="simulated-0"))
        await cluster.until(lambda: phase(cluster, "p"))
        for way in ("log?container=c", "exec?container=c&command=ls&stdout=true", "portforward?ports=80"):
            with pytest.raises(StatusError, match='node "simulated-0" is simulated and carries no runtime') as caught:
                await cluster.client.request("GET", f"/api/v1/namespaces/default/pods/p/{way}")
            assert caught.value.code == 400


async def test_profile_of_simulated_node_says_that_nothing_is_applied(tmp_path: Path) -> None:
    """Not applied and not degraded, whatever the profile, and said once."""
    async with running(NodeTuningController, kubelet=False) as cluster, fleet(cluster, tmp_path, 2):

        async def told() -> Object | None:
            found = await cluster.get(tuning.PROFILE, "simulated-1", tuning.NAMESPACE)
            return found if found and found.get("status") else None

        found = await cluster.until(told)
        assert found["spec"]["config"]["tunedProfile"] == tuning.MACHINE_DEFAULTS
        assert found["status"]["tunedProfile"] == ""
        said = {(c["type"], c["status"], c["reason"]) for c in found["status"]["conditions"]}
        assert said == {("Applied", "False", "Simulated"), ("Degraded", "False", "Simulated")}


async def test_forbidden_sysctl_ends_as_on_every_node(tmp_path: Path) -> None:
    """The kubelet's status and event, once."""
    async with running(kubelet=False) as cluster, fleet(cluster, tmp_path, 1):
        await cluster.client.create(PODS, pod("p", node="simulated-0", sysctls=UNSAFE))
        found = await cluster.until(lambda: phase(cluster, "p"))
        assert found["metadata"]["annotations"] == {MARK: "true"}
        assert found["status"]["reason"] == "SysctlForbidden"
        text = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
        assert found["status"]["message"] == f"Pod was rejected: {text}"
        event = (await cluster.until(lambda: cluster.events("SysctlForbidden")))[0]
        assert (event["message"], event["source"]) == (text, {"component": "kubelet", "host": "simulated-0"})


async def test_finished_pod_held_by_a_finalizer_tells_how_it_ended(tmp_path: Path) -> None:
    """Whoever holds the object back, such as a Job, sees a final phase."""
    async with running(kubelet=False) as cluster, fleet(cluster, tmp_path, 1):
        await cluster.client.create(PODS, pod("p", finalizers=["example.com/hold"]))
        await cluster.until(lambda: phase(cluster, "p"))
        await cluster.client.delete(PODS, "p", "default")

        async def ended() -> bool:
            return (await cluster.client.get(PODS, "p", "default"))["status"]["phase"] == "Failed"

        await cluster.until(ended)
        await cluster.client.patch(PODS, "p", {"metadata": {"finalizers": None}}, namespace="default")
        await cluster.until(lambda: is_gone(cluster, "p"))


async def test_rollout_reaches_simulated_nodes_and_judges_their_pods_anew(tmp_path: Path) -> None:
    """Wider, then narrower: a DaemonSet's pod, which is not drained, is refused by the list that no longer has it."""
    template = {"metadata": {"labels": {"app": "d"}}, "spec": pod("x", sysctls=UNSAFE)["spec"]}
    everywhere = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template},
    }
    async with (
        running(DaemonSetController, kubelet=False) as cluster,
        fleet(cluster, tmp_path, 3),
        pools(cluster),
    ):
        await cluster.until(lambda: configured(cluster, 3, 250))
        wide = kubelet_config(allowedUnsafeSysctls=["kernel.msg*"], maxPods=99)
        await cluster.client.create(names.KUBELET_CONFIG, wide)
        await cluster.until(lambda: configured(cluster, 3, 99))
        await cluster.client.create(DAEMON_SETS, everywhere)

        async def all_run() -> bool:
            return [p["status"].get("phase") for p in await cluster.pods()] == ["Running"] * 3

        await cluster.until(all_run)
        assert await cluster.events("SysctlForbidden") == []
        await cluster.client.delete(names.KUBELET_CONFIG, "kc")
        await cluster.until(lambda: configured(cluster, 3, 250))
        await cluster.until(lambda: cluster.events("SysctlForbidden"))
        assert not any(n["spec"].get("unschedulable") for n in (await cluster.client.list(NODES)).items)


async def test_restart_of_the_process_leaves_pods_and_configuration_alone(tmp_path: Path) -> None:
    """The second process finds its pods as it would have made them, even where `down` took the nodes' files."""
    async with running(kubelet=False) as cluster:
        async with fleet(cluster, tmp_path, 2), pools(cluster):
            await cluster.until(lambda: configured(cluster, 2, 250))
            wide = kubelet_config(allowedUnsafeSysctls=["kernel.msg*"], maxPods=99)
            await cluster.client.create(names.KUBELET_CONFIG, wide)
            await cluster.until(lambda: configured(cluster, 2, 99))
            await cluster.client.create(PODS, pod("p", sysctls=UNSAFE))
            before = await cluster.until(lambda: phase(cluster, "p"))
        for index in range(2):
            shutil.rmtree(tmp_path / f"simulated-{index}")
        async with fleet(cluster, tmp_path, 2):
            await cluster.client.create(PODS, pod("q", node="simulated-0", sysctls=UNSAFE))
            after = await cluster.until(lambda: phase(cluster, "q"))
            assert after["status"]["phase"] == "Running"
            assert await cluster.client.get(PODS, "p", "default") == before
            assert await configured(cluster, 2, 99)


async def test_nodes_of_an_earlier_start_go(tmp_path: Path) -> None:
    """Only simulated ones, and only those that are not wanted any more; their pods go with them."""
    async with running(kubelet=False, scheduler=False) as cluster:
        await cluster.add_node("real")
        async with fleet(cluster, tmp_path, 3):
            await cluster.until(lambda: are_nodes(cluster, 4))
            for node in ("simulated-0", "simulated-1"):
                await cluster.client.create(PODS, pod(f"on-{node}", node=node))
                await cluster.until(lambda node=node: phase(cluster, f"on-{node}"))
        await remove_others(cluster.client, ["simulated-0"])
        found = (await cluster.client.list(NODES)).items
        assert sorted(n["metadata"]["name"] for n in found) == ["real", "simulated-0"]
        assert [p["metadata"]["name"] for p in await cluster.pods()] == ["on-simulated-0"]


async def are_nodes(cluster: Cluster, count: int) -> bool:
    """Whether there are so many nodes."""
    return len((await cluster.client.list(NODES)).items) == count
