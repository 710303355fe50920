"""Deployments against a real API server."""

from typing import Any

import pytest

from podsysctl.controllers.deployment import revisions, sizes
from podsysctl.controllers.deployment.controller import DeploymentController
from podsysctl.controllers.replicaset import ReplicaSetController
from podsysctl.controllers.scope import DEPLOYMENTS, PODS, REPLICA_SETS
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]
BOTH = (ReplicaSetController, DeploymentController)


def deployment(replicas: int = 2, image: str = "one", **spec: Any) -> Object:
    """A Deployment of one container."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 0},
            },
            **spec,
        },
    }


def condition(obj: Object, type: str) -> Object:
    """A condition of an object, or an empty one."""
    listed = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in listed if c["type"] == type), {})


async def complete(cluster: Cluster) -> Any:
    """The Deployment, once its rollout is complete."""
    found = await cluster.get(DEPLOYMENTS, "d")
    if found is None:
        return None
    status, wanted = found.get("status") or {}, found["spec"]["replicas"]
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    current = status.get("observedGeneration") == found["metadata"]["generation"]
    done = condition(found, "Progressing").get("reason") == "NewReplicaSetAvailable"
    return found if counts == [wanted] * 3 and current and done else None


async def set_image(cluster: Cluster, image: str) -> None:
    """Change the template."""
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await cluster.client.patch(DEPLOYMENTS, "d", patch, namespace="default", patch_type="strategic")


async def test_deployment_rolls_out_and_reports() -> None:
    """A new Deployment gets a ReplicaSet, revision 1, both conditions and upstream's event."""
    async with running(*BOTH) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(DEPLOYMENTS, deployment(2))
        found = await cluster.until(lambda: complete(cluster))
        (owned,) = (await cluster.client.list(REPLICA_SETS, "default")).items
        name = owned["metadata"]["name"]
        assert found["metadata"]["annotations"][revisions.REVISION] == "1"
        assert condition(found, "Available")["message"] == "Deployment has minimum availability."
        assert condition(found, "Progressing")["message"] == f'ReplicaSet "{name}" has successfully progressed.'
        assert name == f"d-{owned['metadata']['labels'][revisions.HASH_LABEL]}"
        (event,) = await cluster.until(lambda: cluster.events("ScalingReplicaSet"))
        assert event["message"] == f"Scaled up replica set {name} from 0 to 2"
        assert event["source"]["component"] == "deployment-controller"


async def test_deployment_new_template_rolls_and_undo_rolls_back() -> None:
    """A change makes a second ReplicaSet and empties the first; going back reuses it with a new revision."""
    async with running(*BOTH) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(DEPLOYMENTS, deployment(2))
        await cluster.until(lambda: complete(cluster))
        await set_image(cluster, "two")

        async def rolled(image: str, revision: str) -> Any:
            found = await complete(cluster)
            pods = await cluster.pods()
            images = {pod["spec"]["containers"][0]["image"] for pod in pods}
            same = found and found["metadata"]["annotations"][revisions.REVISION] == revision
            return found if same and images == {image} else None

        await cluster.until(lambda: rolled("two", "2"))
        sets = {s["spec"]["template"]["spec"]["containers"][0]["image"]: s for s in await replica_sets(cluster)}
        assert (sets["one"]["spec"]["replicas"], sets["two"]["spec"]["replicas"]) == (0, 2)
        await set_image(cluster, "one")
        await cluster.until(lambda: rolled("one", "3"))
        again = {s["metadata"]["name"]: s for s in await replica_sets(cluster)}[sets["one"]["metadata"]["name"]]
        assert again["metadata"]["annotations"][revisions.REVISION] == "3"
        assert again["metadata"]["annotations"][revisions.REVISION_HISTORY] == "1"


async def replica_sets(cluster: Cluster) -> list[Object]:
    """All ReplicaSets."""
    return (await cluster.client.list(REPLICA_SETS, "default")).items


async def test_deployment_scaled_follows_without_a_new_replica_set() -> None:
    """Scaling is no rollout."""
    async with running(*BOTH) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(DEPLOYMENTS, deployment(1))
        await cluster.until(lambda: complete(cluster))
        await cluster.client.patch(DEPLOYMENTS, "d", {"spec": {"replicas": 3}}, namespace="default")
        await cluster.until(lambda: complete(cluster))
        assert len(await replica_sets(cluster)) == 1
        assert len(await cluster.pods()) == 3


async def test_deployment_recreate_never_mixes_templates() -> None:
    """Recreate empties the old ReplicaSet before a new pod comes."""
    async with running(*BOTH) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(DEPLOYMENTS, deployment(2, strategy={"type": "Recreate"}))
        await cluster.until(lambda: complete(cluster))
        mixed = []

        async def watch() -> Any:
            pods = (await cluster.client.list(PODS, "default")).items
            images = {pod["spec"]["containers"][0]["image"] for pod in pods}
            if len(images) > 1:
                mixed.append(images)
            return images == {"two"} and await complete(cluster)

        await set_image(cluster, "two")
        await cluster.until(watch)
        assert not mixed


async def test_deployment_paused_does_not_roll() -> None:
    """A paused Deployment keeps its pods and says so; resumed, it rolls."""
    async with running(*BOTH) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(DEPLOYMENTS, deployment(1))
        await cluster.until(lambda: complete(cluster))
        await cluster.client.patch(DEPLOYMENTS, "d", {"spec": {"paused": True}}, namespace="default")

        async def progressing(reason: str) -> bool:
            found = await cluster.get(DEPLOYMENTS, "d")
            return condition(found or {}, "Progressing").get("reason") == reason

        await cluster.until(lambda: progressing("DeploymentPaused"))
        await set_image(cluster, "two")
        await cluster.client.patch(DEPLOYMENTS, "d", {"spec": {"replicas": 2}}, namespace="default")

        async def two_old() -> bool:
            return [p["spec"]["containers"][0]["image"] for p in await cluster.pods()] == ["one", "one"]

        await cluster.until(two_old)
        await cluster.client.patch(DEPLOYMENTS, "d", {"spec": {"paused": None}}, namespace="default")
        await cluster.until(lambda: complete(cluster))


async def test_deployment_history_limit_removes_old_replica_sets() -> None:
    """Beyond revisionHistoryLimit the oldest empty ReplicaSets go."""
    async with running(*BOTH) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(DEPLOYMENTS, deployment(1, revisionHistoryLimit=1))
        for image in ("two", "three", "four"):
            await cluster.until(lambda: complete(cluster))
            await set_image(cluster, image)

        async def trimmed() -> bool:
            images = {s["spec"]["template"]["spec"]["containers"][0]["image"] for s in await replica_sets(cluster)}
            return images == {"three", "four"}

        await cluster.until(trimmed)


async def test_deployment_shows_why_its_pods_are_refused() -> None:
    """The ReplicaSet's reason reaches the Deployment's conditions."""
    async with running(*BOTH) as cluster:
        cluster.rejecting = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
        await cluster.add_node("n1")
        await cluster.client.create(DEPLOYMENTS, deployment(3))

        async def told() -> Any:
            found = await cluster.get(DEPLOYMENTS, "d")
            entry = condition(found or {}, "ReplicaFailure")
            return entry.get("reason") == "SysctlForbidden" and entry

        failure = await cluster.until(told)
        assert "not allowlisted" in failure["message"]
        assert len(await cluster.pods()) <= 4


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [(4, "25%", "25%", (1, 1)), (1, "25%", "25%", (1, 0)), (3, 0, "10%", (0, 1)), (10, 3, 2, (3, 2))],
)
def test_fenceposts_round_as_upstream(replicas: int, surge: Any, unavailable: Any, expected: Any) -> None:
    """Surge rounds up, unavailable down, and never are both nothing."""
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    made = deployment(replicas, strategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    assert sizes.fenceposts(made) == expected
