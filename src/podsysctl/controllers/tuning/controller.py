"""Keeps one Profile per Linux node, the default Tuned, and what every Tuned's status says.

Two kinds of work share one queue: `tuneds` (all Tuned objects together) and `node/NAME` (one Profile). A change of a
Tuned, a pool, a node's labels or a pod's labels asks for the work it touches at once; every ten minutes all is asked
for again. Nothing runs where the API does not serve Tuned objects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from podsysctl.base.errors import StatusError
from podsysctl.client.informer import Informer
from podsysctl.controllers.scope import NAMESPACES, NODES, PODS, Object, Reconciler, Scope, labels_of
from podsysctl.controllers.tuning import choice, collection, default_tuned, plans, profile_object, rules, validity
from podsysctl.controllers.tuning.choice import Choice, Pool, Subject
from podsysctl.controllers.tuning.collection import Collection
from podsysctl.objects import machineconfig, tuning
from podsysctl.objects.kinds import Kind

RESYNC_S: Final = 600.0
"""Upstream's period."""
COALESCE_S: Final = 0.05
"""Tuned objects often change together; they are looked at once for all that changed in this time."""
TUNEDS, RESYNC, NODE = "tuneds", "resync", "node/"
UNMANAGED, REMOVED = "Unmanaged", "Removed"


class NodeTuningController(Reconciler):
    """`openshift_profiles` chooses the rules of the default Tuned."""

    name = "node-tuning-controller"

    def __init__(self, scope: Scope, *, openshift_profiles: bool = False) -> None:
        super().__init__(scope)
        self._default = default_tuned.default_tuned(openshift_profiles)
        self._other_default = default_tuned.default_tuned(not openshift_profiles)
        self._recorder = scope.recorder(self.name)
        self._collection: Collection | None = None
        self._reader = plans.Reader()
        self._plans = plans.Plans({}, frozenset())
        self._pools: tuple[Pool, ...] | None = None
        self._told: set[tuple[str, ...]] = set()
        self._nodes = self.need(NODES)
        self._pods = self.need(PODS)
        self.tuneds = Informer(scope.client, tuning.TUNED, tuning.NAMESPACE)
        self.profiles = Informer(scope.client, tuning.PROFILE, tuning.NAMESPACE, transform=profile_object.shrink)
        self._machine_config_pools = Informer(scope.client, machineconfig.POOL)
        self._pods.add_index("node", lambda pod: filter(None, (_node_name(pod),)))
        self._nodes.add_handler(self._ask, self._node_changed, self._ask)
        self._pods.add_handler(self._pod_came, self._pod_changed, self._pod_came)
        self.tuneds.add_handler(self._tuned_came, self._tuned_changed, self._tuned_came)
        self.profiles.add_handler(self._ask, self._profile_changed, self._ask)
        self._machine_config_pools.add_handler(self._pool_came, self._pool_changed, self._pool_came)

    async def run(self) -> None:
        """Work until cancelled, or end where nobody serves the kind."""
        if not await self._serves(tuning.TUNED):
            return
        async with asyncio.TaskGroup() as group:
            for informer in (self.tuneds, self.profiles):
                group.create_task(informer.run())
                self._needed.append(informer)
            if await self._serves(machineconfig.POOL):
                group.create_task(self._machine_config_pools.run())
                self._needed.append(self._machine_config_pools)
            self.queue.add(TUNEDS)
            self.queue.add_after(RESYNC, RESYNC_S)
            await super().run()

    async def _serves(self, kind: Kind) -> bool:
        try:
            await self.client.request("GET", f"/apis/{kind.group}/{kind.version}")
        except StatusError as error:
            if error.code == 404:
                return False
            raise
        return True

    def _ask(self, obj: Object) -> None:
        """A node, or its Profile, came or went."""
        self.queue.add(NODE + obj["metadata"]["name"])

    def _ask_all(self) -> None:
        for name in {**self._nodes.store, **{o["metadata"]["name"]: o for o in self.profiles.store.values()}}:
            self.queue.add(NODE + name)

    def _node_changed(self, old: Object, new: Object) -> None:
        if labels_of(old) != labels_of(new) or old["spec"].get("providerID") != new["spec"].get("providerID"):
            self._ask(new)

    def _profile_changed(self, old: Object, new: Object) -> None:
        """Anything but a status, which the node writes."""
        same = old["spec"] == new["spec"] and old[profile_object.DIGEST] == new[profile_object.DIGEST]
        if not same or _without_revision(old) != _without_revision(new):
            self._ask(new)

    def _pod_came(self, pod: Object) -> None:
        if self._collection is not None and self._collection.asks_pods and _node_name(pod):
            self.queue.add(NODE + _node_name(pod))

    def _pod_changed(self, old: Object, new: Object) -> None:
        if labels_of(old) != labels_of(new) or _node_name(old) != _node_name(new):
            self._pod_came(new)

    def _pool_came(self, _: Object) -> None:
        self._pools = None
        if self._collection is not None and self._collection.asks_pools:
            self._ask_all()

    def _pool_changed(self, old: Object, new: Object) -> None:
        selectors = ("nodeSelector", "machineConfigSelector")
        if any(old["spec"].get(key) != new["spec"].get(key) for key in selectors):
            self._pool_came(new)

    def _tuned_came(self, _: Object) -> None:
        self._collection = None
        self.queue.add_after(TUNEDS, COALESCE_S)

    def _tuned_changed(self, old: Object, new: Object) -> None:
        if old.get("spec") != new.get("spec") or rules.carried_annotations(old) != rules.carried_annotations(new):
            self._tuned_came(new)

    async def reconcile(self, key: str) -> None:
        """Do one piece of work."""
        if key == RESYNC:
            self.queue.add_after(RESYNC, RESYNC_S)
            self.queue.add(TUNEDS)
        elif key == TUNEDS:
            await self._reconcile_tuneds()
        else:
            await self._reconcile_node(key.removeprefix(NODE))

    async def _reconcile_tuneds(self) -> None:
        """The default Tuned, everyone's conditions, and then every node."""
        default = await self._ensure_default()
        state = (default.get("spec") or {}).get("managementState")
        if state == REMOVED:
            await self._remove_profiles()
        if state in (UNMANAGED, REMOVED):
            return
        current = self._current()
        for tuned in list(self.tuneds.store.values()):
            await self._judge(tuned, current)
        self._ask_all()

    def _current(self) -> Collection:
        """Today's Tuned objects; read anew after any of them changed."""
        if self._collection is None:
            self._collection = collection.collect(list(self.tuneds.store.values()))
            self._plans = self._reader.judge(self._collection)
            self._told.clear()
        return self._collection

    async def _ensure_default(self) -> Object:
        """The default Tuned as it is stored, made or repaired where needed."""
        current = self.tuneds.get(tuning.DEFAULT, tuning.NAMESPACE)
        if current is None:
            await self._create(
                NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tuning.NAMESPACE}}
            )
            await self._create(tuning.TUNED, self._default)
            return self._default
        patch = default_tuned.repair(current, self._default)
        if patch is None:
            return current
        if default_tuned.repair(current, self._other_default) is not None:  # else: the last start chose otherwise
            text = "its profiles and rules were changed, and are as before again; put yours into another Tuned"
            self._recorder.event(current, "Warning", "DefaultRestored", text)
        return await self.client.patch(tuning.TUNED, tuning.DEFAULT, patch, namespace=tuning.NAMESPACE)

    async def _create(self, kind: Kind, obj: Object) -> None:
        try:
            await self.client.create(kind, obj)
        except StatusError as error:
            if error.status_reason != "AlreadyExists":
                raise

    async def _remove_profiles(self) -> None:
        for profile in list(self.profiles.store.values()):
            await self._delete(profile["metadata"]["name"])

    async def _judge(self, tuned: Object, current: Collection) -> None:
        """Bring one Tuned's conditions up to date, and tell of what is new in them."""
        found = validity.problems(tuned, current, self._plans.unusable)
        patch = validity.status_patch(tuned, current, found, self.scope.now())
        if patch is None:
            return
        for text in found:
            self._recorder.event(tuned, "Warning", validity.UNUSABLE, text)
        is_valid, message = validity.valid(tuned, current)
        if not is_valid:
            self._recorder.event(tuned, "Warning", validity.INVALID, message)
        name = tuned["metadata"]["name"]
        try:
            await self.client.patch(tuning.TUNED, name, patch, namespace=tuning.NAMESPACE, subresource="status")
        except StatusError as error:
            if error.code != 404:
                raise

    async def _reconcile_node(self, name: str) -> None:
        """Bring one node's Profile up to date."""
        default = self.tuneds.get(tuning.DEFAULT, tuning.NAMESPACE)
        if default is None or (default.get("spec") or {}).get("managementState") in (UNMANAGED, REMOVED):
            return
        node = self._nodes.get(name)
        profile = self.profiles.get(name, tuning.NAMESPACE)
        if node is None:
            if profile is not None:
                await self._delete(name)
            return
        current = self._current()
        if labels_of(node).get("kubernetes.io/os") != "linux" or current.conflicts:
            return
        chosen = choice.choose(current.rules, self._subject(node))
        if chosen is None:
            return
        self._tell_rivals(chosen, name)
        await self._write(
            profile, profile_object.wanted(node, chosen, current, default, self._plans.demanding), current
        )

    def _subject(self, node: Object) -> Subject:
        if self._pools is None:
            self._pools = choice.read_pools(self._machine_config_pools.store.values())
        name = node["metadata"]["name"]

        def pods() -> Sequence[dict[str, str]]:
            return [labels_of(pod) for pod in self._pods.by_index("node", name)]

        return Subject(labels_of(node), pods, self._pools)

    async def _write(self, profile: Object | None, wanted: Object, current: Collection) -> None:
        try:
            if profile is None:
                await self.client.create(tuning.PROFILE, profile_object.complete(wanted, current))
            elif patch := profile_object.change(profile, wanted, current):
                name = wanted["metadata"]["name"]
                await self.client.patch(tuning.PROFILE, name, patch, namespace=tuning.NAMESPACE)
        except StatusError as error:
            if error.code == 413:
                self._tell_size(current)
            raise

    def _tell_size(self, current: Collection) -> None:
        """Every Profile holds all profiles, so that too many of them stop all nodes alike."""
        size_bytes = sum(len(profile["data"].encode()) for profile in current.profiles)
        text = (
            f"the {len(current.profiles)} profiles of all Tuned objects are {size_bytes} bytes together, more than a "
            "Profile can hold: no node's Profile is updated"
        )
        for tuned in self._named((tuning.DEFAULT,)):
            self._recorder.event(tuned, "Warning", "ProfilesTooLarge", text)

    async def _delete(self, name: str) -> None:
        try:
            await self.client.delete(tuning.PROFILE, name, tuning.NAMESPACE)
        except StatusError as error:
            if error.code != 404:
                raise

    def _tell_rivals(self, chosen: Choice, node_name: str) -> None:
        """Equal priorities leave the choice to the names of Tuned objects; said once, not for every node."""
        winner = chosen.winner
        for rival in chosen.rivals:
            pair = (winner.tuned, winner.profile, rival.tuned, rival.profile)
            if pair in self._told:
                continue
            self._told.add(pair)
            text = (
                f"profiles {winner.profile} (Tuned {winner.tuned}) and {rival.profile} (Tuned {rival.tuned}) have the "
                f"same priority {winner.priority} and match node {node_name}, which gets {winner.profile}; "
                "give them different priorities"
            )
            for tuned in self._named((winner.tuned, rival.tuned)):
                self._recorder.event(tuned, "Warning", "EqualPriority", text)

    def _named(self, names: Iterable[str]) -> list[Object]:
        found = (self.tuneds.get(name, tuning.NAMESPACE) for name in dict.fromkeys(names))
        return [tuned for tuned in found if tuned is not None]


def _node_name(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _without_revision(profile: Object) -> Object:
    return {key: value for key, value in profile["metadata"].items() if key not in ("resourceVersion", "generation")}
