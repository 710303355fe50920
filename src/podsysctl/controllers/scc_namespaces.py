"""Gives every namespace its user ids, groups and SELinux level, which SecurityContextConstraints hand to pods.

Our API server gives them when a namespace is created, so that no pod waits; this fills in what was created before it
did, or what somebody removed. The lowest free block is taken; blocks of deleted namespaces are free again. Source:
cluster-policy-controller pkg/security/controller.
"""

from __future__ import annotations

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.controllers.scope import NAMESPACES, Object, Reconciler, Scope, annotations_of
from podsysctl.policy.scc import namespace_range
from podsysctl.policy.scc.constraint import GROUP, MCS, UID_RANGE

FIELD_MANAGER = "cluster-policy-controller"


class NamespaceRangeController(Reconciler):
    """One namespace at a time, so that no block is given twice; does nothing in a cluster without constraints."""

    name = "namespace-security-allocation-controller"
    workers = 1

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._given: dict[str, str] = {}
        """Ranges written by us and perhaps not yet seen, by namespace uid."""
        self._namespaces = self.need(NAMESPACES)
        self._namespaces.add_handler(
            on_add=self._changed, on_update=lambda _, new: self._changed(new), on_delete=self._forget
        )

    async def run(self) -> None:
        """Work until cancelled, or end where nobody needs it."""
        if await self._is_needed():
            await super().run()

    async def _is_needed(self) -> bool:
        try:
            await self.client.request("GET", f"/apis/{GROUP}/v1")
        except StatusError as error:
            if error.code == 404:
                return False
            raise
        return True

    def _changed(self, namespace: Object) -> None:
        if UID_RANGE in annotations_of(namespace):
            self._forget(namespace)
        else:
            self.queue.add(namespace["metadata"]["name"])

    def _forget(self, namespace: Object) -> None:
        """The store knows better now."""
        self._given.pop(namespace["metadata"].get("uid", ""), None)

    async def reconcile(self, key: str) -> None:
        """Give one namespace a block when it has none. Raises PodsysctlError when all blocks are taken."""
        namespace = self._namespaces.get(key)
        if namespace is None or UID_RANGE in annotations_of(namespace):
            return
        uid = namespace["metadata"]["uid"]
        if uid in self._given:
            return
        taken = {text for other in self._namespaces.store.values() if (text := annotations_of(other).get(UID_RANGE))}
        block = namespace_range.allocate_block([*taken, *self._given.values()])
        if block is None:
            raise PodsysctlError("uid range exceeded")
        wanted = namespace_range.namespace_annotations(block)
        wanted[MCS] = annotations_of(namespace).get(MCS, wanted[MCS])
        patch = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": key, "uid": uid, "annotations": wanted},
        }
        self._given[uid] = wanted[UID_RANGE]
        try:
            await self.client.patch(NAMESPACES, key, patch, patch_type="apply", field_manager=FIELD_MANAGER, force=True)
        except PodsysctlError:
            del self._given[uid]
            raise
