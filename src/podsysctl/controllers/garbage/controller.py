"""The garbage collector: watches every kind and acts on ownerReferences.

Source: Kubernetes 1.36 `pkg/controller/garbagecollector/garbagecollector.go`. An owner that the graph does not
know is asked of the API before anything is deleted for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.client import discovery
from podsysctl.client.discovery import Found, Mapper, UnknownResourceError
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Object
from podsysctl.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Node, node_of
from podsysctl.controllers.scope import Reconciler, Scope
from podsysctl.objects.kinds import builtin_by_resource

log = logging.getLogger(__name__)

DEFINITIONS = builtin_by_resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
DISCOVER_AGAIN_S = 1.0
"""Wait after a change of definitions before kinds are discovered again; changes come in bunches."""
ABSENT_OWNERS = 2000
"""Uids of owners known to be gone that are remembered."""
LAG_S = 0.5
"""Time an owner's informer is given before a dependent that came first is looked at."""

_DECISIVE = ("ownerReferences", "finalizers", "deletionTimestamp")
"""What the graph holds of an object that can change."""
_IGNORED = frozenset({("", "events"), ("events.k8s.io", "events")})


class GarbageCollector(Reconciler):
    """Deletes, orphans and unblocks by ownership."""

    name = "garbage-collector"
    workers = 10

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.graph = Graph()
        self._mapper = Mapper(())
        self._informers: dict[tuple[str, str], tuple[Informer, asyncio.Task[None] | None]] = {}
        self._absent: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._definitions = self.need(DEFINITIONS)
        self._changed = asyncio.Event()
        self._definitions.add_handler(
            on_add=lambda _: self._changed.set(),
            on_update=lambda _old, _new: self._changed.set(),
            on_delete=lambda _: self._changed.set(),
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self._definitions.wait_synced()
        async with asyncio.TaskGroup() as group:
            self._changed.clear()
            await self._discover(group)
            group.create_task(self._follow_definitions(group))
            group.create_task(self.queue.run(self.reconcile, workers=self.workers, retry=self.retry))

    async def _follow_definitions(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(DISCOVER_AGAIN_S)
            self._changed.clear()  # before the look: what comes while it goes on asks for another
            try:
                await self._discover(group)
            except PodsysctlError as error:
                log.warning("%s: %s", self.name, error.message)
                self._changed.set()

    async def _discover(self, group: asyncio.TaskGroup) -> None:
        """Watch the kinds that came, forget those that went."""
        self._mapper = await discovery.discover(self.client)
        wanted: dict[tuple[str, str], Found] = {}
        for kind in self._mapper.preferred():
            key = (kind.group, kind.plural)
            if {"delete", "list", "watch"} <= set(kind.verbs) and key not in _IGNORED:
                wanted[key] = kind
        for key in [key for key in self._informers if key not in wanted]:
            informer, task = self._informers.pop(key)
            if task is not None:
                task.cancel()
            for obj in informer.store.values():
                self._removed(obj)
        fresh = []
        for key, kind in wanted.items():
            if key not in self._informers:
                fresh.append(self._watch(key, kind, group))
        for informer in fresh:
            await informer.wait_synced()
        for informer in fresh:
            for obj in informer.store.values():
                if obj["metadata"].get("ownerReferences") or obj["metadata"].get("deletionTimestamp"):
                    self.queue.add(obj["metadata"]["uid"])

    def _watch(self, key: tuple[str, str], kind: Found, group: asyncio.TaskGroup) -> Informer:
        """The informer of a kind: the shared one where there is one, else one of metadata only."""
        informer = self.scope.shared(kind)
        task = None
        if informer is None:
            informer = Informer(self.client, kind, transform=_metadata_only)
            task = group.create_task(_until_gone(informer))
        informer.add_handler(
            on_add=lambda obj: self._seen(obj, kind),
            on_update=lambda old, new: self._updated(old, new, kind),
            on_delete=self._removed,
        )
        self._informers[key] = (informer, task)
        return informer

    def _updated(self, old: Object, new: Object, kind: Found) -> None:
        if any(old["metadata"].get(name) != new["metadata"].get(name) for name in _DECISIVE):
            self._seen(new, kind)

    def _seen(self, obj: Object, kind: Found) -> None:
        node = node_of(obj, kind)
        before = self.graph.put(node)
        if node.deleting and (node.waits_for_dependents or node.orphans_dependents):
            self.queue.add(node.uid)
            if node.waits_for_dependents and not (before and before.waits_for_dependents):
                for dependent in self.graph.dependents(node.uid):
                    self.queue.add(dependent.uid)
        elif node.owners and (before is None or before.owners != node.owners):
            if all(self._known_owner(owner, node) is not None for owner in node.owners):
                return
            self.queue.add_after(node.uid, LAG_S)

    def _known_owner(self, owner: Object, node: Node) -> Node | None:
        """An owner in the graph; one in another namespace is none, and the API is asked for it as for any other."""
        known = self.graph.get(owner.get("uid", ""))
        if known is None or (node.namespace and known.namespace not in ("", node.namespace)):
            return None
        return known

    def _removed(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        node = self.graph.remove(uid)
        for dependent in self.graph.dependents(uid):
            self.queue.add(dependent.uid)
        for owner in node.owners if node else ():
            known = self.graph.get(owner.get("uid", ""))
            if known is not None and known.waits_for_dependents:
                self.queue.add(known.uid)

    async def reconcile(self, key: str) -> None:
        """Decide about one object."""
        node = self.graph.get(key)
        if node is None:
            return
        if node.orphans_dependents:
            await self._orphan(node)
        elif node.waits_for_dependents:
            await self._finish_foreground(node)
        elif node.owners and not node.deleting:
            await self._check_owners(node)

    async def _check_owners(self, node: Node) -> None:
        live = await self._live(node)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        owners = live["metadata"].get("ownerReferences") or []
        solid: list[Object] = []
        dangling: list[Object] = []
        waiting: list[Object] = []
        for owner in owners:
            known = self._known_owner(owner, node)
            if known is not None:
                (waiting if known.waits_for_dependents else solid).append(owner)
            elif await self._owner_exists(owner, node):
                solid.append(owner)
            else:
                dangling.append(owner)
        if not owners:
            return
        if solid:
            gone = {owner["uid"] for owner in (*dangling, *waiting)}
            if gone:
                await self._keep_owners(node, live, [owner for owner in owners if owner["uid"] not in gone])
            return
        dependents = self.graph.dependents(node.uid)
        foreground = bool(waiting) and bool(dependents)
        if foreground and any(dependent.waits_for_dependents for dependent in dependents):
            live = await self._unblock_owners(node, live)
        finalizers = live["metadata"].get("finalizers") or ()
        policy = (
            "Orphan"
            if ORPHAN in finalizers
            else "Foreground"
            if foreground or FOREGROUND in finalizers
            else "Background"
        )
        await self._delete(node, live, policy)

    async def _unblock_owners(self, node: Node, live: Object) -> Object:
        """Let no owner wait for an object that may come to wait for one of them: they may own each other."""
        owners = [{**owner, "blockOwnerDeletion": False} for owner in live["metadata"]["ownerReferences"]]
        return await self._keep_owners(node, live, owners) or live

    async def _owner_exists(self, owner: Object, node: Node) -> bool:
        """Ask the API; raises UnknownResourceError for kinds it does not serve, which settles nothing."""
        uid = owner.get("uid", "")
        memory = (node.namespace, uid)
        if memory in self._absent:
            return False
        kind = self._mapper.find_kind(owner.get("apiVersion", ""), owner.get("kind", ""))
        if kind.namespaced and not node.namespace:
            raise UnknownResourceError(f"owner {owner.get('name')} of cluster-scoped {node.name} is namespaced")
        try:
            found = await self.client.get(kind, owner.get("name", ""), node.namespace if kind.namespaced else None)
        except StatusError as error:
            if error.code != 404:
                raise
        else:
            if found["metadata"]["uid"] == uid:
                return True
        self._absent[memory] = None
        while len(self._absent) > ABSENT_OWNERS:
            self._absent.popitem(last=False)
        return False

    async def _finish_foreground(self, node: Node) -> None:
        """Let an owner go once nothing that blocks it is left."""
        blocking = self.graph.blocking(node.uid)
        if not blocking:
            await self._drop_finalizer(node, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.deleting:
                self.queue.add(dependent.uid)

    async def _orphan(self, node: Node) -> None:
        for dependent in self.graph.dependents(node.uid):
            live = await self._live(dependent)
            if live is None:
                continue
            owners = live["metadata"].get("ownerReferences") or []
            kept = [owner for owner in owners if owner.get("uid") != node.uid]
            if kept != owners:
                await self._keep_owners(dependent, live, kept)
        await self._drop_finalizer(node, ORPHAN)

    async def _live(self, node: Node) -> Object | None:
        """The object as it is now; None when it is gone or another one has its name."""
        try:
            found = await self.client.get(node.kind, node.name, node.namespace or None)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        return found if found["metadata"]["uid"] == node.uid else None

    async def _keep_owners(self, node: Node, live: Object, owners: list[Object]) -> Object | None:
        metadata = {"resourceVersion": live["metadata"]["resourceVersion"], "ownerReferences": owners or None}
        return await self._patch(node, {"metadata": metadata})

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        live = await self._live(node)
        if live is None:
            return
        present = live["metadata"].get("finalizers") or []
        if finalizer in present:
            kept = [name for name in present if name != finalizer]
            metadata = {"resourceVersion": live["metadata"]["resourceVersion"], "finalizers": kept or None}
            await self._patch(node, {"metadata": metadata})

    async def _patch(self, node: Node, patch: Object) -> Object | None:
        """The object as it is then; None when it is gone."""
        try:
            return await self.client.patch(node.kind, node.name, patch, namespace=node.namespace or None)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    async def _delete(self, node: Node, live: Object, policy: str) -> None:
        """Delete the version that was judged; one that changed since, and may have an owner again, is judged anew."""
        version = live["metadata"]["resourceVersion"]
        try:
            await self.client.delete(
                node.kind,
                node.name,
                node.namespace or None,
                uid=node.uid,
                resource_version=version,
                propagation=policy,
            )
        except StatusError as error:
            if error.code != 404:
                raise


def _metadata_only(obj: Object) -> Object:
    kept = ("name", "namespace", "uid", "resourceVersion", "ownerReferences", "finalizers", "deletionTimestamp")
    metadata = obj["metadata"]
    return {"metadata": {name: metadata[name] for name in kept if metadata.get(name)}}


async def _until_gone(informer: Informer) -> None:
    """Run an informer; a kind that is not served any more ends it."""
    try:
        await informer.run()
    except StatusError as error:
        log.info("garbage collector: %s", error.message)
        informer.synced.set()
