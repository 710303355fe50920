"""Garbage collection and namespace deletion against a real API server."""

import asyncio
import contextlib
from typing import Any

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.controllers.garbage.controller import GarbageCollector
from podsysctl.controllers.garbage.graph import Node
from podsysctl.controllers.namespaces import NamespaceController
from podsysctl.controllers.scope import NAMESPACES, PODS
from podsysctl.objects.kinds import builtin_by_resource
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]
CONFIG_MAPS = builtin_by_resource("", "v1", "configmaps")
DEFINITIONS = builtin_by_resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")


async def config_map(cluster: Cluster, name: str, *owners: Object, block: bool = False, **metadata: Any) -> Object:
    """A ConfigMap that the given objects own."""
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            **({"blockOwnerDeletion": True} if block else {}),
        }
        for owner in owners
    ]
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "ownerReferences": references, **metadata},
    }
    return await cluster.client.create(CONFIG_MAPS, made)


async def gone(cluster: Cluster, *names: str) -> bool:
    """Whether none of these exists."""
    return not any([await cluster.get(CONFIG_MAPS, name) for name in names])


async def test_background_deletion_takes_dependents_along() -> None:
    """Children and grandchildren of a deleted object are deleted."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        top = await config_map(cluster, "top")
        middle = await config_map(cluster, "middle", top)
        await config_map(cluster, "bottom", middle)
        await cluster.client.delete(CONFIG_MAPS, "top", "default", propagation="Background")
        await cluster.until(lambda: gone(cluster, "top", "middle", "bottom"))


async def test_object_with_another_owner_stays() -> None:
    """One living owner is enough; the reference to the dead one is removed."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        one, two = await config_map(cluster, "one"), await config_map(cluster, "two")
        await config_map(cluster, "child", one, two)
        await cluster.client.delete(CONFIG_MAPS, "one", "default")

        async def cleaned() -> bool:
            child = await cluster.get(CONFIG_MAPS, "child")
            return [o["name"] for o in (child or {})["metadata"]["ownerReferences"]] == ["two"]

        await cluster.until(cleaned)


async def test_foreground_deletion_waits_for_blocking_dependents() -> None:
    """The owner stays until its blocking dependents are gone."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        top = await config_map(cluster, "top")
        await config_map(cluster, "child", top, block=True, finalizers=["example.com/hold"])
        await cluster.client.delete(CONFIG_MAPS, "top", "default", propagation="Foreground")

        async def child_going() -> Any:
            child = await cluster.get(CONFIG_MAPS, "child")
            return (child or {}).get("metadata", {}).get("deletionTimestamp")

        await cluster.until(child_going)
        waiting = await cluster.get(CONFIG_MAPS, "top")
        assert waiting is not None
        assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
        await cluster.client.patch(CONFIG_MAPS, "child", {"metadata": {"finalizers": None}}, namespace="default")
        await cluster.until(lambda: gone(cluster, "top", "child"))


async def test_object_that_gains_an_owner_while_it_is_judged_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted is the version that nobody owned."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        dead, alive = await config_map(cluster, "dead"), await config_map(cluster, "alive")
        child = await config_map(cluster, "child", dead)
        asked = GarbageCollector._owner_exists

        async def adopted_meanwhile(self: GarbageCollector, owner: Object, node: Node) -> bool:
            exists = await asked(self, owner, node)
            if node.name == "child" and not exists:
                reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "alive", "uid": alive["metadata"]["uid"]}
                patch = {"metadata": {"ownerReferences": [reference]}}
                await cluster.client.patch(CONFIG_MAPS, "child", patch, namespace="default")
            return exists

        monkeypatch.setattr(GarbageCollector, "_owner_exists", adopted_meanwhile)
        await cluster.client.delete(CONFIG_MAPS, "dead", "default")

        async def adopted() -> bool:
            found = await cluster.get(CONFIG_MAPS, "child") or child
            return [owner["name"] for owner in found["metadata"]["ownerReferences"]] == ["alive"]

        await cluster.until(adopted)
        await asyncio.sleep(0.1)
        assert await cluster.get(CONFIG_MAPS, "child") is not None


async def test_foreground_deletion_of_a_circle_ends() -> None:
    """Objects that own each other do not wait for each other."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        one = await config_map(cluster, "one")
        two = await config_map(cluster, "two", one, block=True)
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "two", "uid": two["metadata"]["uid"]}
        patch = {"metadata": {"ownerReferences": [{**reference, "blockOwnerDeletion": True}]}}
        await cluster.client.patch(CONFIG_MAPS, "one", patch, namespace="default")
        await cluster.client.delete(CONFIG_MAPS, "one", "default", propagation="Foreground")
        await cluster.until(lambda: gone(cluster, "one", "two"))


async def test_orphaning_deletion_keeps_dependents() -> None:
    """Dependents lose the reference and stay."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        top = await config_map(cluster, "top")
        await config_map(cluster, "child", top)
        await cluster.client.delete(CONFIG_MAPS, "top", "default", propagation="Orphan")
        await cluster.until(lambda: gone(cluster, "top"))
        child = await cluster.get(CONFIG_MAPS, "child")
        assert child is not None
        assert not child["metadata"].get("ownerReferences")


async def test_object_whose_owner_never_existed_goes() -> None:
    """A reference to nothing is as good as to a deleted owner."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        await config_map(cluster, "child", {"metadata": {"name": "nobody", "uid": "no-such-uid"}})
        await cluster.until(lambda: gone(cluster, "child"))


async def test_object_whose_owner_is_in_another_namespace_goes() -> None:
    """An owner is looked for where its dependent is; that its uid exists elsewhere is no help."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        elsewhere = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "top", "namespace": "kube-public"}}
        top = await cluster.client.create(CONFIG_MAPS, elsewhere)
        await config_map(cluster, "child", top)
        await cluster.until(lambda: gone(cluster, "child"))
        assert await cluster.get(CONFIG_MAPS, "top", "kube-public") is not None


async def test_custom_objects_are_collected() -> None:
    """Kinds that come later are watched, and own and are owned like others."""
    async with running(GarbageCollector, scheduler=False, kubelet=False) as cluster:
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                "versions": [
                    {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
                ],
            },
        }
        await cluster.client.create(DEFINITIONS, definition)
        path = "/apis/example.com/v1/namespaces/default/widgets"
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}

        async def made() -> Any:
            with contextlib.suppress(StatusError):  # the kind is not served yet
                return await cluster.client.request("POST", path, body=widget)
            return None

        owner = await cluster.until(made)
        reference = {
            "apiVersion": "example.com/v1",
            "kind": "Widget",
            "name": "w",
            "uid": owner["metadata"]["uid"],
        }
        child = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "child", "namespace": "default", "ownerReferences": [reference]},
        }
        await cluster.client.create(CONFIG_MAPS, child)
        await cluster.client.request("DELETE", f"{path}/w")
        await cluster.until(lambda: gone(cluster, "child"))


async def test_namespace_deletion_empties_it_and_says_what_remains() -> None:
    """Everything in a namespace goes with it; what holds it up is named in its conditions."""
    async with running(NamespaceController, scheduler=False) as cluster:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
        await cluster.client.create(NAMESPACES, namespace)
        held = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "held", "namespace": "demo", "finalizers": ["example.com/hold"]},
        }
        await cluster.client.create(CONFIG_MAPS, held)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "demo"},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        await cluster.client.create(PODS, pod)
        await cluster.client.delete(NAMESPACES, "demo")

        async def remaining() -> Any:
            found = await cluster.get(NAMESPACES, "demo", None)
            listed = ((found or {}).get("status") or {}).get("conditions") or []
            return {c["type"]: c["message"] for c in listed if c["status"] == "True"}

        async def held_up() -> Any:
            told = await remaining()
            return "NamespaceFinalizersRemaining" in told and told

        told = await cluster.until(held_up)
        assert told == {
            "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances",
            "NamespaceFinalizersRemaining": (
                "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
            ),
        }
        await cluster.client.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, namespace="demo")

        async def finished() -> bool:
            return await cluster.get(NAMESPACES, "demo", None) is None

        await cluster.until(finished)
