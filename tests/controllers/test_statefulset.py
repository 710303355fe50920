"""StatefulSets against a real API server."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from podsysctl.controllers.scope import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from podsysctl.controllers.statefulset.controller import StatefulSetController
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]


@contextlib.asynccontextmanager
async def sets() -> AsyncIterator[Cluster]:
    """A cluster of one node that runs StatefulSets."""
    async with running(StatefulSetController) as cluster:
        await cluster.add_node("n1")
        yield cluster


def stateful_set(replicas: int = 2, **spec: Any) -> Object:
    """A StatefulSet of one container."""
    containers = [{"name": "c", "image": "one"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "serviceName": "web",
            "selector": {"matchLabels": {"app": "x"}},
            "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"containers": containers, "terminationGracePeriodSeconds": 0},
            },
            **spec,
        },
    }


async def settled(cluster: Cluster, count: int, updated: int | None = None) -> Any:
    """The status, once so many pods are ready and all are seen to."""
    found = await cluster.get(STATEFUL_SETS, "web")
    assert found is not None
    status = found.get("status") or {}
    names = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
    seen = [status.get(name, 0) for name in names]
    wanted = [count, count, count, count if updated is None else updated]
    return status if seen == wanted and status["observedGeneration"] == found["metadata"]["generation"] else None


async def images(cluster: Cluster) -> dict[str, str]:
    """The image of each pod."""
    return {p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in await cluster.pods()}


async def delete_and_wait(cluster: Cluster, name: str) -> None:
    """Delete a pod and wait until the next of its name runs."""
    before = await cluster.client.get(PODS, name, "default")
    await cluster.client.delete(PODS, name, "default")

    async def again() -> bool:
        found = await cluster.get(PODS, name)
        fresh = found is not None and found["metadata"]["uid"] != before["metadata"]["uid"]
        return fresh and ((found or {}).get("status") or {}).get("phase") == "Running"

    await cluster.until(again)


IMAGE_TWO = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "two"}]}}}}


async def change(cluster: Cluster, patch: Object) -> None:
    """Patch the set."""
    await cluster.client.patch(STATEFUL_SETS, "web", patch, namespace="default", patch_type="strategic")


async def test_stateful_set_names_and_orders_its_pods() -> None:
    """web-0 is ready before web-1 is made; both have the labels of their number."""
    async with sets() as cluster:
        await cluster.client.create(STATEFUL_SETS, stateful_set())
        status = await cluster.until(lambda: settled(cluster, 2))
        assert status["currentRevision"] == status["updateRevision"]
        pods = sorted(await cluster.pods(), key=lambda p: p["metadata"]["name"])
        assert [p["metadata"]["name"] for p in pods] == ["web-0", "web-1"]
        for number, pod in enumerate(pods):
            assert pod["spec"]["hostname"] == f"web-{number}"
            assert pod["spec"]["subdomain"] == "web"
            labels = pod["metadata"]["labels"]
            assert labels["statefulset.kubernetes.io/pod-name"] == f"web-{number}"
            assert labels["apps.kubernetes.io/pod-index"] == str(number)
            assert labels["controller-revision-hash"] == status["currentRevision"]
        events = await cluster.until(lambda: cluster.events("SuccessfulCreate"))
        assert events[0]["message"].startswith("Create Pod web-0 in StatefulSet web successful")


async def test_stateful_set_scales_down_from_the_highest_number() -> None:
    """web-2 and web-1 go, web-0 stays."""
    async with sets() as cluster:
        await cluster.client.create(STATEFUL_SETS, stateful_set(3, podManagementPolicy="Parallel"))
        await cluster.until(lambda: settled(cluster, 3))
        await change(cluster, {"spec": {"replicas": 1}})
        await cluster.until(lambda: settled(cluster, 1))
        assert list(await images(cluster)) == ["web-0"]


async def test_stateful_set_update_stops_at_the_partition() -> None:
    """Numbers below the partition keep the former revision, also when they are made again."""
    async with sets() as cluster:
        made = stateful_set(3, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
        await cluster.client.create(STATEFUL_SETS, made)
        before = await cluster.until(lambda: settled(cluster, 3))
        await change(cluster, IMAGE_TWO)
        status = await cluster.until(lambda: settled(cluster, 3, 1))
        assert await images(cluster) == {"web-0": "one", "web-1": "one", "web-2": "two"}
        assert status["currentRevision"] == before["currentRevision"] != status["updateRevision"]
        await delete_and_wait(cluster, "web-1")
        assert await images(cluster) == {"web-0": "one", "web-1": "one", "web-2": "two"}
        await change(cluster, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
        status = await cluster.until(lambda: settled(cluster, 3))
        assert set((await images(cluster)).values()) == {"two"}

        async def same() -> bool:
            now = (await cluster.get(STATEFUL_SETS, "web") or {})["status"]
            return bool(now["currentRevision"] == now["updateRevision"])

        await cluster.until(same)
        assert len((await cluster.client.list(CONTROLLER_REVISIONS, "default")).items) == 2


async def test_stateful_set_on_delete_leaves_pods_alone() -> None:
    """Only a pod that is deleted by hand comes back new."""
    async with sets() as cluster:
        await cluster.client.create(STATEFUL_SETS, stateful_set(2, updateStrategy={"type": "OnDelete"}))
        await cluster.until(lambda: settled(cluster, 2))
        await change(cluster, IMAGE_TWO)
        await cluster.until(lambda: settled(cluster, 2, 0))
        await delete_and_wait(cluster, "web-0")
        assert await images(cluster) == {"web-0": "two", "web-1": "one"}


async def test_stateful_set_refused_pods_are_tried_one_at_a_time() -> None:
    """The condition names the sysctl; three pods are not made again at once."""
    async with sets() as cluster:
        cluster.rejecting = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
        await cluster.client.create(STATEFUL_SETS, stateful_set(3, podManagementPolicy="Parallel"))

        async def told() -> Any:
            status = ((await cluster.get(STATEFUL_SETS, "web")) or {}).get("status") or {}
            listed = status.get("conditions") or []
            return next((c for c in listed if c["reason"] == "SysctlForbidden"), None)

        found = await cluster.until(told)
        assert 'forbidden sysctl: "kernel.msgmax" not allowlisted' in found["message"]
        assert await cluster.until(lambda: cluster.events("SysctlForbidden"))
        assert cluster.refusals <= 3
        cluster.rejecting = ""
        await cluster.until(lambda: settled(cluster, 3), timeout_s=25)
        assert (await told()) is None
