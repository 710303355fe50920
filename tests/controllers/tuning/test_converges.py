"""Whatever happens in whatever order, in the end every Profile is what the Tuned objects of that moment ask for."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.controllers.garbage.controller import GarbageCollector
from podsysctl.controllers.scope import NODES, PODS, labels_of
from podsysctl.controllers.tuning import choice, profile_object, validity
from podsysctl.controllers.tuning.choice import Subject
from podsysctl.controllers.tuning.collection import collect
from podsysctl.controllers.tuning.controller import NodeTuningController
from podsysctl.objects import machineconfig, tuning
from tests.controllers.cluster import Cluster, running
from tests.controllers.tuning.builders import Object, role_pool, rule, tuned

NAMES = ("a", "b", "c", "default")
NODE_NAMES = ("n1", "n2", "n3")
FLOOR = "[requirements]\nvm.max_map_count = >=1\n"
STEPS = 60
SETTLED_S = 30.0


class Chaos:
    """Random changes by many hands; what is not there, or there already, is passed over."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._rng = random.Random(seed)

    async def step(self) -> None:
        """One change."""
        changes: tuple[Callable[[], Awaitable[Any]], ...] = (
            self._make_tuned, self._edit_tuned, self._delete_tuned, self._edit_default, self._manage,
            self._add_node, self._label_node, self._label_node, self._delete_node,
            self._add_pod, self._delete_pod, self._pool, self._edit_profile, self._delete_profile,
        )  # fmt: skip
        try:
            await self._rng.choice(changes)()
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    def _spec(self) -> Object:
        rng = self._rng
        matches = ({}, {"match": [{"label": "x"}]}, {"match": [{"label": "app", "type": "pod"}]},
                   {"machineConfigLabels": {machineconfig.ROLE_LABEL: "worker"}})  # fmt: skip
        rules = [rule(f"p{rng.randint(0, 3)}", rng.choice((10, 20, 50)), **rng.choice(matches)) for _ in range(2)]
        text = rng.choice(("[main]\n", "[main]\n", FLOOR))
        return tuned("a", *rules, profiles={f"p{rng.randint(0, 3)}": text})["spec"]  # type: ignore[no-any-return]

    async def _make_tuned(self) -> None:
        one = tuned(self._rng.choice(NAMES[:3]))
        one["spec"] = self._spec()
        await self._client.create(tuning.TUNED, one)

    async def _patch_tuned(self, name: str, spec: Object) -> None:
        await self._client.patch(tuning.TUNED, name, {"spec": spec}, namespace=tuning.NAMESPACE)

    async def _edit_tuned(self) -> None:
        await self._patch_tuned(self._rng.choice(NAMES[:3]), self._spec())

    async def _delete_tuned(self) -> None:
        await self._client.delete(tuning.TUNED, self._rng.choice(NAMES), tuning.NAMESPACE)

    async def _edit_default(self) -> None:
        await self._patch_tuned("default", {"recommend": []})

    async def _manage(self) -> None:
        await self._patch_tuned("default", {"managementState": self._rng.choice(("Managed", "Unmanaged", "Removed"))})

    async def _add_node(self) -> None:
        await self._cluster.add_node(self._rng.choice(NODE_NAMES), **{"kubernetes.io/os": "linux"})

    async def _label_node(self) -> None:
        labels = {
            "x": self._rng.choice((None, "")),
            f"{machineconfig.NODE_ROLE_PREFIX}worker": self._rng.choice((None, "")),
        }
        await self._client.patch(NODES, self._rng.choice(NODE_NAMES), {"metadata": {"labels": labels}})

    async def _delete_node(self) -> None:
        await self._client.delete(NODES, self._rng.choice(NODE_NAMES))

    async def _add_pod(self) -> None:
        node = self._rng.choice(NODE_NAMES)
        spec = {"nodeName": node, "containers": [{"name": "c", "image": "busybox"}]}
        metadata = {"name": node, "namespace": "default", "labels": {"app": ""}}
        await self._client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    async def _delete_pod(self) -> None:
        await self._client.delete(PODS, self._rng.choice(NODE_NAMES), "default", grace_period_s=0)

    async def _pool(self) -> None:
        if self._rng.random() < 0.5:
            await self._client.create(machineconfig.POOL, role_pool("worker"))
        else:
            await self._client.delete(machineconfig.POOL, "worker")

    async def _edit_profile(self) -> None:
        patch = {"spec": {"config": {"tunedProfile": "wrong", "providerName": "x"}, "profile": []}}
        await self._client.patch(tuning.PROFILE, self._rng.choice(NODE_NAMES), patch, namespace=tuning.NAMESPACE)

    async def _delete_profile(self) -> None:
        await self._client.delete(tuning.PROFILE, self._rng.choice(NODE_NAMES), tuning.NAMESPACE)


async def settled(cluster: Cluster) -> bool:
    """Whether Profiles and conditions are what the objects of now ask for; the answer is worked out anew."""
    tuneds = (await cluster.client.list(tuning.TUNED, tuning.NAMESPACE)).items
    nodes = (await cluster.client.list(NODES)).items
    pods = (await cluster.client.list(PODS)).items
    pools = choice.read_pools((await cluster.client.list(machineconfig.POOL)).items)
    profiles = {p["metadata"]["name"]: p for p in (await cluster.client.list(tuning.PROFILE, tuning.NAMESPACE)).items}
    default = next((one for one in tuneds if one["metadata"]["name"] == tuning.DEFAULT), None)
    if default is None or set(profiles) != {node["metadata"]["name"] for node in nodes}:
        return False
    current = collect(tuneds)
    demanding = {name for name, text in current.texts.items() if "[requirements]" in text}
    for one in tuneds:
        conditions = {
            c["type"]: (c["status"] == "True", c["message"]) for c in (one.get("status") or {}).get("conditions", ())
        }
        if conditions.get("Valid") != validity.valid(one, current):
            return False
    for node in nodes:
        name = node["metadata"]["name"]
        own = [labels_of(pod) for pod in pods if pod["spec"].get("nodeName") == name]
        chosen = choice.choose(current.rules, Subject(labels_of(node), lambda own=own: own, pools))  # type: ignore[misc]
        if chosen is None:  # the default Tuned is edited, and not restored yet
            return False
        wanted = profile_object.wanted(node, chosen, current, default, demanding)
        if profile_object.change(profile_object.shrink(profiles[name]), wanted, current) is not None:
            return False
    return True


@pytest.mark.parametrize("seed", range(4))
async def test_profiles_are_right_after_any_sequence_of_changes(seed: int) -> None:
    """Conflicts are mended and management is given back first; then nothing may be left over or behind."""
    async with running(NodeTuningController, GarbageCollector, scheduler=False, kubelet=False) as cluster:
        chaos = Chaos(cluster, seed)
        await cluster.until(lambda: cluster.get(tuning.TUNED, "default", tuning.NAMESPACE))
        for _ in range(STEPS):
            await chaos.step()
        await cluster.until(lambda: cluster.get(tuning.TUNED, "default", tuning.NAMESPACE))
        managed = {"spec": {"managementState": "Managed"}}
        await cluster.client.patch(tuning.TUNED, "default", managed, namespace=tuning.NAMESPACE)
        for one in (await cluster.client.list(tuning.TUNED, tuning.NAMESPACE)).items:
            name = one["metadata"]["name"]
            if name != "default":
                same = {"spec": {"profile": [{"name": f"p{i}", "data": FLOOR} for i in range(2)]}}
                await cluster.client.patch(tuning.TUNED, name, same, namespace=tuning.NAMESPACE)
        await cluster.until(lambda: settled(cluster), SETTLED_S)
