"""DaemonSets against a real API server."""

from typing import Any

from podsysctl.controllers.daemonset import DaemonSetController, should_run
from podsysctl.controllers.history import HASH_LABEL
from podsysctl.controllers.scope import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, Scope
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]


def daemon_set(image: str = "one", **template: Any) -> Object:
    """A DaemonSet of one container."""
    spec = {"containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 0, **template}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "ds", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": spec},
        },
    }


async def settled(cluster: Cluster, count: int) -> Any:
    """The DaemonSet, once this many pods are scheduled, ready and up to date."""
    found = await cluster.get(DAEMON_SETS, "ds")
    status = (found or {}).get("status") or {}
    names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    current = status.get("observedGeneration") == (found or {})["metadata"].get("generation")
    return found if [status.get(name, 0) for name in names] == [count] * 4 and current else None


async def nodes_of(cluster: Cluster) -> list[str]:
    """Nodes that have a pod."""
    return sorted(pod["spec"].get("nodeName", "") for pod in await cluster.pods())


async def test_daemon_set_has_one_pod_on_every_node_that_fits() -> None:
    """Nodes that come get a pod, nodes that the selector excludes do not."""
    async with running(DaemonSetController) as cluster:
        await cluster.add_node("n1", role="a")
        await cluster.add_node("n2", role="b")
        await cluster.client.create(DAEMON_SETS, daemon_set(nodeSelector={"role": "a"}))
        await cluster.until(lambda: settled(cluster, 1))
        assert await nodes_of(cluster) == ["n1"]
        await cluster.add_node("n3", role="a")
        await cluster.until(lambda: settled(cluster, 2))
        assert await nodes_of(cluster) == ["n1", "n3"]
        await cluster.client.patch(NODES, "n1", {"metadata": {"labels": {"role": "b"}}})
        await cluster.until(lambda: settled(cluster, 1))
        assert await nodes_of(cluster) == ["n3"]


async def test_daemon_set_update_rolls_one_node_at_a_time() -> None:
    """A new template replaces pods without more than one away, and leaves a revision behind."""
    async with running(DaemonSetController) as cluster:
        for name in ("n1", "n2", "n3"):
            await cluster.add_node(name)
        await cluster.client.create(DAEMON_SETS, daemon_set())
        await cluster.until(lambda: settled(cluster, 3))
        lowest = 3

        async def rolled() -> Any:
            nonlocal lowest
            pods = await cluster.pods()
            ready = [p for p in pods if (p.get("status") or {}).get("phase") == "Running"]
            lowest = min(lowest, len(ready))
            return {p["spec"]["containers"][0]["image"] for p in pods} == {"two"} and await settled(cluster, 3)

        patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "two"}]}}}}
        await cluster.client.patch(DAEMON_SETS, "ds", patch, namespace="default", patch_type="strategic")
        await cluster.until(rolled)
        assert lowest >= 2
        revisions = (await cluster.client.list(CONTROLLER_REVISIONS, "default")).items
        assert sorted(r["revision"] for r in revisions) == [1, 2]
        newest = max(revisions, key=lambda r: r["revision"])
        digests = {p["metadata"]["labels"][HASH_LABEL] for p in await cluster.pods()}
        assert digests == {newest["metadata"]["labels"][HASH_LABEL]}


async def test_daemon_set_failed_pod_is_replaced_with_upstreams_event() -> None:
    """A refused pod is deleted and made again; the condition names the sysctl."""
    async with running(DaemonSetController) as cluster:
        cluster.rejecting = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
        await cluster.add_node("n1")
        await cluster.client.create(DAEMON_SETS, daemon_set())
        events = await cluster.until(lambda: cluster.events("FailedDaemonPod"))
        message = events[0]["message"]
        assert message.startswith("Found failed daemon pod default/ds-")
        assert message.endswith(" on node n1, will try to kill it")

        async def told() -> Any:
            found = await cluster.get(DAEMON_SETS, "ds")
            listed = ((found or {}).get("status") or {}).get("conditions") or []
            return next((c for c in listed if c["reason"] == "SysctlForbidden"), None)

        condition = await cluster.until(told)
        assert condition["message"] == (
            '1 node refuses the pod. Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'
        )
        cluster.rejecting = ""
        await cluster.until(lambda: settled(cluster, 1))
        assert cluster.refusals <= 4


def test_should_run_follows_taints_as_upstream() -> None:
    """Cordoned and pressed nodes keep their daemons, other taints must be tolerated."""

    def node(*taints: Object) -> Object:
        return {"metadata": {"name": "n", "labels": {}}, "spec": {"taints": list(taints)}}

    owner = daemon_set()
    assert should_run(owner, node()) == (True, True)
    cordoned = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    unreachable = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    assert should_run(owner, node(cordoned, unreachable)) == (True, True)
    assert should_run(owner, node({"key": "k", "effect": "NoSchedule"})) == (False, True)
    assert should_run(owner, node({"key": "k", "effect": "NoExecute"})) == (False, False)
    tolerant = daemon_set(tolerations=[{"key": "k", "operator": "Exists"}])
    assert should_run(tolerant, node({"key": "k", "effect": "NoExecute"})) == (True, True)


async def test_daemon_set_delays_are_forgotten_with_node_and_owner() -> None:
    """Nodes and DaemonSets that come and go leave nothing behind."""
    made: list[DaemonSetController] = []

    def make(scope: Scope) -> DaemonSetController:
        made.append(DaemonSetController(scope))
        return made[0]

    async with running(make) as cluster:
        cluster.rejecting = "no"
        for name in ("n1", "n2"):
            await cluster.add_node(name)
        await cluster.client.create(DAEMON_SETS, daemon_set())

        async def delayed(*names: str) -> bool:
            return {node for _, node in made[0]._backoff} == set(names)

        await cluster.until(lambda: delayed("n1", "n2"))
        await cluster.client.delete(NODES, "n1")
        await cluster.until(lambda: delayed("n2"))
        await cluster.client.delete(DAEMON_SETS, "ds", "default")
        await cluster.until(delayed)
