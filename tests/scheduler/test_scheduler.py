"""The scheduler against a real API server."""

from typing import Any

from podsysctl.controllers.scope import NODES, PODS
from podsysctl.scheduler import scheduler
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]


def pod(name: str, **spec: Any) -> Object:
    """A Pod of one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }


async def bound(cluster: Cluster, name: str) -> Any:
    """The pod's node."""
    found = await cluster.get(PODS, name)
    return ((found or {}).get("spec") or {}).get("nodeName")


async def unscheduled(cluster: Cluster, name: str) -> Any:
    """The pod's PodScheduled condition, when it is False."""
    found = await cluster.get(PODS, name)
    listed = ((found or {}).get("status") or {}).get("conditions") or []
    return next((c for c in listed if c["type"] == "PodScheduled" and c["status"] == "False"), None)


async def test_scheduler_binds_and_says_so() -> None:
    """A pod gets a node, the condition and upstream's event."""
    async with running(kubelet=False) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(PODS, pod("p"))
        assert await cluster.until(lambda: bound(cluster, "p")) == "n1"
        (event,) = await cluster.until(lambda: cluster.events("Scheduled"))
        assert event["message"] == "Successfully assigned default/p to n1"
        assert event["type"] == "Normal"
        assert event["reportingComponent"] == "default-scheduler"
        assert event["action"] == "Binding"


async def test_scheduler_without_nodes_tells_and_binds_when_one_comes() -> None:
    """No node at all has its own sentence; the pod is bound as soon as one comes."""
    async with running(kubelet=False) as cluster:
        await cluster.client.create(PODS, pod("p"))
        condition = await cluster.until(lambda: unscheduled(cluster, "p"))
        assert (condition["reason"], condition["message"]) == (
            "Unschedulable",
            "no nodes available to schedule pods",
        )
        await cluster.add_node("n1")
        assert await cluster.until(lambda: bound(cluster, "p")) == "n1"


async def test_scheduler_unschedulable_pod_has_upstreams_message_until_a_label_comes() -> None:
    """The message names each reason with its count; a label on a node lets the pod through."""
    async with running(kubelet=False) as cluster:
        await cluster.add_node("n1")
        await cluster.add_node("n2")
        taints = [{"key": "k", "value": "v", "effect": "NoSchedule"}]
        await cluster.client.patch(NODES, "n2", {"spec": {"taints": taints}})
        selected = pod("p", nodeSelector={"disk": "ssd"})

        async def tainted() -> Any:
            found = await cluster.client.get(NODES, "n2")
            return found["spec"].get("taints")

        await cluster.until(tainted)
        await cluster.client.create(PODS, selected)
        wanted = (
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
            "1 node(s) had untolerated taint(s). "
            "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        )

        async def told() -> Any:
            condition = await unscheduled(cluster, "p")
            return condition and condition["message"] == wanted

        await cluster.until(told)
        events = await cluster.until(lambda: cluster.events("FailedScheduling"))
        assert wanted in {event["message"] for event in events}
        assert events[0]["type"] == "Warning"
        await cluster.client.patch(NODES, "n1", {"metadata": {"labels": {"disk": "ssd"}}})
        assert await cluster.until(lambda: bound(cluster, "p")) == "n1"


async def test_scheduler_gated_pod_waits_for_its_gates() -> None:
    """A pod with scheduling gates is left alone until the last one is gone."""
    async with running(kubelet=False) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(PODS, pod("gated", schedulingGates=[{"name": "example.com/wait"}]))
        await cluster.client.create(PODS, pod("free"))
        await cluster.until(lambda: bound(cluster, "free"))
        assert not await bound(cluster, "gated")
        await cluster.client.patch(PODS, "gated", {"spec": {"schedulingGates": []}}, namespace="default")
        assert await cluster.until(lambda: bound(cluster, "gated")) == "n1"


async def test_scheduler_full_node_takes_the_next_pod_when_one_goes() -> None:
    """Room that a deleted pod leaves is given to a waiting one."""
    async with running(kubelet=False) as cluster:
        await cluster.add_node("n1")
        big = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "6"}}}]
        await cluster.client.create(PODS, pod("first", containers=big))
        await cluster.until(lambda: bound(cluster, "first"))
        await cluster.client.create(PODS, pod("second", containers=big))
        condition = await cluster.until(lambda: unscheduled(cluster, "second"))
        assert condition["message"] == (
            "0/1 nodes are available: 1 Insufficient cpu. "
            "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        )
        await cluster.client.delete(PODS, "first", "default", grace_period_s=0)
        assert await cluster.until(lambda: bound(cluster, "second")) == "n1"


async def test_scheduler_leaves_pods_of_other_schedulers_alone() -> None:
    """Only pods that ask for the default scheduler are taken."""
    async with running(kubelet=False) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(PODS, pod("other", schedulerName="mine"))
        await cluster.client.create(PODS, pod("ours"))
        await cluster.until(lambda: bound(cluster, "ours"))
        assert not await bound(cluster, "other")


def test_stride_comes_to_every_node_once() -> None:
    """However many nodes there are, a search leaves none out and looks at none twice."""
    for count in (1, 2, 3, 7, 100, 101, 618, 999, 1000):
        step = scheduler.stride(count)
        assert sorted(position * step % count for position in range(count)) == list(range(count))


def test_stride_sees_a_share_of_nodes_that_stand_together() -> None:
    """Wherever a search for a hundred of a thousand nodes begins, it meets its share of any hundred neighbours."""
    step = scheduler.stride(1000)
    for start in range(1000):
        seen = {(start + position * step) % 1000 for position in range(scheduler.MIN_FEASIBLE)}
        assert len(seen & set(range(100))) >= 9


async def test_scheduler_keeps_pods_apart_until_one_goes() -> None:
    """Two pods that must not share a node: the second waits with upstream's words, and takes the first one's place."""
    rules = [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}]
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": rules}}
    async with running(kubelet=False) as cluster:
        await cluster.add_node("n1")
        for name in ("a", "b"):
            made = pod(name, affinity=affinity)
            made["metadata"]["labels"] = {"app": "web"}
            await cluster.client.create(PODS, made)
            if name == "a":
                assert await cluster.until(lambda: bound(cluster, "a")) == "n1"
        condition = await cluster.until(lambda: unscheduled(cluster, "b"))
        assert condition["message"] == (
            "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. "
            "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        )
        await cluster.client.delete(PODS, "a", "default", grace_period_s=0)
        assert await cluster.until(lambda: bound(cluster, "b")) == "n1"


async def test_scheduler_tries_a_pod_again_when_its_companion_comes() -> None:
    """A pod that must be with another waits for it, in a namespace that its labels tell."""
    rules = [
        {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": {"app": "db"}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
        }
    ]
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": rules}}
    async with running(kubelet=False) as cluster:
        await cluster.add_node("n1")
        await cluster.add_node("n2")
        await cluster.client.create(PODS, pod("web", affinity=affinity))
        condition = await cluster.until(lambda: unscheduled(cluster, "web"))
        assert condition["message"].startswith(
            "0/2 nodes are available: 2 node(s) didn't match pod affinity rules. preemption: "
        )
        companion = pod("db", nodeSelector={"kubernetes.io/hostname": "n2"})
        companion["metadata"]["labels"] = {"app": "db"}
        await cluster.client.create(PODS, companion)
        assert await cluster.until(lambda: bound(cluster, "web")) == "n2"


async def test_scheduler_leaves_pods_of_lower_priority_and_says_so() -> None:
    """There is no preemption: the message does not say that nobody could have been its victim."""
    full = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "8"}}}]
    async with running(kubelet=False) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(PODS, pod("low", containers=full))
        assert await cluster.until(lambda: bound(cluster, "low")) == "n1"
        for name, ending in (
            ("equal", "1 No preemption victims found for incoming pod."),
            ("high", "1 Pods with lower priority are not preempted."),
        ):
            classes = {"priorityClassName": "system-node-critical"} if name == "high" else {}
            made = pod(name, containers=full, **classes)
            await cluster.client.create(PODS, made)
            condition = await cluster.until(lambda name=name: unscheduled(cluster, name))
            head = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            assert condition["message"] == head + ending
        assert await bound(cluster, "low") == "n1"
