"""ReplicaSets against a real API server."""

from typing import Any

from podsysctl.controllers.replicaset import ReplicaSetController
from podsysctl.controllers.scope import PODS, REPLICA_SETS
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]


def replica_set(replicas: int = 2, **spec: Any) -> Object:
    """A ReplicaSet of one container."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "rs", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
            **spec,
        },
    }


async def ready(cluster: Cluster, count: int) -> Any:
    """The ReplicaSet, once it reports this many ready replicas."""
    found = await cluster.get(REPLICA_SETS, "rs")
    status = (found or {}).get("status") or {}
    settled = status.get("readyReplicas", 0) == count and status.get("replicas") == count
    return found if settled else None


async def test_replica_set_makes_pods_and_reports_them() -> None:
    """Pods are made, owned and counted, with events."""
    async with running(ReplicaSetController) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(REPLICA_SETS, replica_set(2))
        owner = await cluster.until(lambda: ready(cluster, 2))
        assert owner["status"]["fullyLabeledReplicas"] == 2
        assert owner["status"]["availableReplicas"] == 2
        assert owner["status"]["observedGeneration"] == owner["metadata"]["generation"]
        pods = await cluster.pods()
        assert all(pod["metadata"]["name"].startswith("rs-") for pod in pods)
        assert pods[0]["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "rs",
                "uid": owner["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]

        async def created() -> Any:
            events = await cluster.events("SuccessfulCreate")
            return events if len(events) == 2 else None

        events = await cluster.until(created)
        assert {e["message"] for e in events} == {f"Created pod: {pod['metadata']['name']}" for pod in pods}
        assert events[0]["source"]["component"] == "replicaset-controller"


async def test_replica_set_scaled_down_deletes_pods() -> None:
    """Fewer replicas mean fewer pods; a deleted pod is replaced."""
    async with running(ReplicaSetController) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(REPLICA_SETS, replica_set(3))
        await cluster.until(lambda: ready(cluster, 3))
        await cluster.client.patch(REPLICA_SETS, "rs", {"spec": {"replicas": 1}}, namespace="default")
        await cluster.until(lambda: ready(cluster, 1))
        (last,) = await cluster.pods()
        await cluster.client.delete(PODS, last["metadata"]["name"], "default")

        async def replaced() -> bool:
            pods = await cluster.pods()
            return len(pods) == 1 and pods[0]["metadata"]["uid"] != last["metadata"]["uid"]

        await cluster.until(replaced)


async def test_replica_set_adopts_and_releases_by_selector() -> None:
    """A matching pod without a controller is adopted; one whose label goes is let go and replaced."""
    async with running(ReplicaSetController) as cluster:
        await cluster.add_node("n1")
        orphan = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "orphan", "namespace": "default", "labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        await cluster.client.create(PODS, orphan)
        await cluster.client.create(REPLICA_SETS, replica_set(1))

        async def adopted() -> Any:
            pod = await cluster.get(PODS, "orphan")
            return pod and pod["metadata"].get("ownerReferences")

        await cluster.until(adopted)
        assert len(await cluster.pods()) == 1
        patch = {"metadata": {"labels": {"app": "other"}}}
        await cluster.client.patch(PODS, "orphan", patch, namespace="default")

        async def released() -> bool:
            pod = await cluster.get(PODS, "orphan")
            return len(await cluster.pods()) == 2 and not (pod or {})["metadata"].get("ownerReferences")

        await cluster.until(released)


async def test_replica_set_of_refused_pods_slows_down_and_says_why() -> None:
    """After a refusal no storm follows: a condition and an event name the sysctl and the next attempt."""
    async with running(ReplicaSetController) as cluster:
        cluster.rejecting = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
        await cluster.add_node("n1")
        await cluster.client.create(REPLICA_SETS, replica_set(3))

        async def braked() -> Any:
            owner = await cluster.get(REPLICA_SETS, "rs")
            listed = ((owner or {}).get("status") or {}).get("conditions") or []
            return next((c for c in listed if "3 pods were refused; the next is tried" in c["message"]), None)

        condition = await cluster.until(braked)
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "ReplicaFailure",
            "True",
            "SysctlForbidden",
        )
        assert 'forbidden sysctl: "kernel.msgmax" not allowlisted' in condition["message"]
        assert len(await cluster.pods()) == 3
        await cluster.until(lambda: cluster.events("SysctlForbidden"))
