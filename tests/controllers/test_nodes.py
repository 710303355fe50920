"""Node health, taints, eviction and the collection of stranded pods."""

import asyncio
from typing import Any

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.base.errors import ConnectionFailedError
from podsysctl.client.informer import InformerSet
from podsysctl.controllers import node_lifecycle, pod_gc
from podsysctl.controllers.node_lifecycle import NodeLifecycleController, wanted_taints
from podsysctl.controllers.pod_gc import PodGarbageCollector
from podsysctl.controllers.scope import LEASES, NODES, PODS, Scope
from podsysctl.controllers.taint_eviction import TaintEvictionController
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"


def pod(name: str, **spec: Any) -> Object:
    """A Pod of one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }


async def taints_of(cluster: Cluster, name: str) -> set[tuple[str, str]]:
    """Key and effect of a node's taints."""
    node = await cluster.client.get(NODES, name)
    return {(t["key"], t["effect"]) for t in (node.get("spec") or {}).get("taints") or ()}


async def test_cordoned_node_gets_the_unschedulable_taint() -> None:
    """Cordon adds the taint, uncordon removes it."""
    async with running(NodeLifecycleController, scheduler=False, kubelet=False) as cluster:
        await cluster.add_node("n1")
        await cluster.client.patch(NODES, "n1", {"spec": {"unschedulable": True}})
        wanted = {("node.kubernetes.io/unschedulable", "NoSchedule")}

        async def tainted() -> bool:
            return await taints_of(cluster, "n1") == wanted

        await cluster.until(tainted)
        await cluster.client.patch(NODES, "n1", {"spec": {"unschedulable": None}})

        async def clean() -> bool:
            return not await taints_of(cluster, "n1")

        await cluster.until(clean)
        (event,) = await cluster.until(lambda: cluster.events("RegisteredNode"))
        assert event["message"] == "Node n1 event: Registered Node n1 in Controller"


async def test_silent_node_becomes_unknown_and_its_pods_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """No heartbeat for the grace period: conditions Unknown, taints, pods not ready; a lease brings nothing back."""
    monkeypatch.setattr(node_lifecycle, "GRACE_S", 0.5)
    monkeypatch.setattr(node_lifecycle, "MONITOR_S", 0.1)
    async with running(NodeLifecycleController) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(PODS, pod("p"))

        async def unknown() -> Any:
            node = await cluster.client.get(NODES, "n1")
            ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
            return ready["status"] == "Unknown" and ready

        ready = await cluster.until(unknown)
        assert (ready["reason"], ready["message"]) == (
            "NodeStatusUnknown",
            "Kubelet stopped posting node status.",
        )

        async def tainted() -> bool:
            return await taints_of(cluster, "n1") == {
                ("node.kubernetes.io/unreachable", "NoSchedule"),
                ("node.kubernetes.io/unreachable", "NoExecute"),
            }

        await cluster.until(tainted)
        events = await cluster.until(lambda: cluster.events("NodeNotReady"))
        assert {event["message"] for event in events} <= {
            "Node n1 status is now: NodeNotReady",
            "Node is not ready",
        }


async def test_node_with_fresh_lease_stays_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewing the lease is a heartbeat."""
    monkeypatch.setattr(node_lifecycle, "GRACE_S", 1.0)
    monkeypatch.setattr(node_lifecycle, "MONITOR_S", 0.1)
    async with running(NodeLifecycleController, scheduler=False, kubelet=False) as cluster:
        await cluster.add_node("n1")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "n1", "namespace": "kube-node-lease"},
            "spec": {"renewTime": "2026-01-01T00:00:00.000000Z"},
        }
        await cluster.client.create(LEASES, lease)
        for second in range(8):

            async def renewed(second: int = second) -> Any:
                spec = {"spec": {"renewTime": f"2026-01-01T00:00:{second:02}.000000Z"}}
                return await cluster.client.patch(LEASES, "n1", spec, namespace="kube-node-lease")

            await cluster.until(renewed)
            node = await cluster.client.get(NODES, "n1")
            assert node["status"]["conditions"][0]["status"] == "True"


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        ("True", []),
        (None, []),
        ("False", [("node.kubernetes.io/not-ready", "NoExecute"), ("node.kubernetes.io/not-ready", "NoSchedule")]),
        (
            "Unknown",
            [("node.kubernetes.io/unreachable", "NoExecute"), ("node.kubernetes.io/unreachable", "NoSchedule")],
        ),
    ],
)
def test_wanted_taints_follow_ready_and_leave_others_alone(ready: str | None, expected: Any) -> None:
    """Own taints come and go with the condition, a person's taint stays."""
    mine = {"key": "mine", "effect": "NoExecute"}
    stale = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
    found = wanted_taints({"spec": {}, "status": {}}, ready, [mine, stale], NOW)
    assert found[0] == mine
    assert [(t["key"], t["effect"]) for t in found[1:]] == expected


def test_wanted_taints_show_pressure() -> None:
    """A pressure condition is a NoSchedule taint."""
    node = {"status": {"conditions": [{"type": "DiskPressure", "status": "True"}]}}
    (taint,) = wanted_taints(node, "True", [], NOW)
    assert (taint["key"], taint["effect"]) == ("node.kubernetes.io/disk-pressure", "NoSchedule")


async def test_no_execute_taint_evicts_pods_that_do_not_tolerate_it() -> None:
    """A pod without toleration goes, one that tolerates it stays, with upstream's event and condition."""
    async with running(TaintEvictionController) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(PODS, pod("goes"))
        await cluster.client.create(PODS, pod("stays", tolerations=[{"key": "k", "operator": "Exists"}]))

        async def started() -> bool:
            return all((p.get("status") or {}).get("phase") == "Running" for p in await cluster.pods())

        await cluster.until(started)
        await cluster.client.patch(NODES, "n1", {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})

        async def left() -> bool:
            return [p["metadata"]["name"] for p in await cluster.pods()] == ["stays"]

        await cluster.until(left)
        (event,) = await cluster.until(lambda: cluster.events("TaintManagerEviction"))
        assert event["message"] == "Marking for deletion Pod default/goes"


async def test_toleration_seconds_delay_eviction_and_untainting_cancels_it() -> None:
    """A pod that tolerates a taint for a while keeps its place until then, or for good when the taint goes."""
    clock = FakeClock()
    async with running(TaintEvictionController, clock=clock) as cluster:
        await cluster.add_node("n1")
        limited = [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]
        await cluster.client.create(PODS, pod("p", tolerations=limited))

        async def started() -> bool:
            return bool([p for p in await cluster.pods() if (p.get("status") or {}).get("phase") == "Running"])

        await cluster.until(started)
        await cluster.client.patch(NODES, "n1", {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})
        await cluster.client.patch(NODES, "n1", {"spec": {"taints": None}})
        (event,) = await cluster.until(lambda: cluster.events("TaintManagerEviction"))
        assert event["message"] == "Cancelling deletion of Pod default/p"
        assert len(await cluster.pods()) == 1


async def test_eviction_that_fails_is_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a pod tolerates its node is over; a server that was away does not give it again."""
    clock = FakeClock()
    evict, made = TaintEvictionController._evict, list[TaintEvictionController]()
    failures = iter((ConnectionFailedError("away"),))

    async def fail_once(self: TaintEvictionController, pod: Object) -> None:
        for failure in failures:
            raise failure
        await evict(self, pod)

    def make(scope: Scope) -> TaintEvictionController:
        made.append(TaintEvictionController(scope))
        return made[0]

    monkeypatch.setattr(TaintEvictionController, "_evict", fail_once)
    async with running(make, clock=clock) as cluster:
        await cluster.add_node("n1")
        limited = [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]
        await cluster.client.create(PODS, pod("p", tolerations=limited))

        async def bound() -> bool:
            return any(p["spec"].get("nodeName") for p in await cluster.pods())

        async def timed() -> bool:
            return "default/p" in made[0]._since

        async def left() -> bool:
            clock.advance(0.1)  # the pause before the next try
            made[0].queue.release_due()  # the loop's own timer waits by the real clock
            return not await cluster.pods()

        await cluster.until(bound)
        await cluster.client.patch(NODES, "n1", {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})
        await cluster.until(timed)
        clock.advance(301)
        again = [{"key": "k", "effect": "NoExecute", "value": "look-again"}]
        await cluster.client.patch(NODES, "n1", {"spec": {"taints": again}})
        await cluster.until(left)


async def test_pod_gc_removes_stranded_pods() -> None:
    """Pods of a node that is gone are failed and deleted after the quarantine; unscheduled deleted ones at once."""
    clock = FakeClock()
    async with running(scheduler=False, kubelet=False) as cluster:
        informers = InformerSet(cluster.client)
        collector = PodGarbageCollector(Scope(cluster.client, informers, clock))
        task = asyncio.create_task(informers.run())
        try:
            await cluster.client.create(PODS, pod("stranded", nodeName="ghost"))

            async def seen() -> bool:
                return "default/stranded" in informers.informer(PODS).store

            await cluster.until(seen)
            await collector.collect()
            assert await cluster.get(PODS, "stranded")
            clock.advance(pod_gc.QUARANTINE_S + 1)
            await collector.collect()
            assert await cluster.get(PODS, "stranded") is None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
