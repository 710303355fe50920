"""Gives every namespace its user ids, groups and SELinux level, which SecurityContextConstraints hand to pods.

The lowest free block is taken; blocks of deleted namespaces are free again. One namespace is worked on at a time, so
that no block is given twice. Source: cluster-policy-controller pkg/security/controller.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from typing import Any

from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, StatusError
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import WorkQueue
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy.scc import namespace_range
from podsysctl.policy.scc.constraint import MCS, UID_RANGE

log = logging.getLogger(__name__)

FIELD_MANAGER = "cluster-policy-controller"
NAMESPACE = builtin_by_resource("", "v1", "namespaces")
_RETRY_MAX_S = 30.0

Object = dict[str, Any]


class NamespaceRangeController:
    """Run it beside an API server that has SecurityContextConstraints; it needs no others."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._given: dict[str, str] = {}
        """Ranges written by us and perhaps not yet seen, by namespace uid."""
        self.queue: WorkQueue[str] = WorkQueue(max_s=_RETRY_MAX_S)
        self._namespaces = Informer(client, NAMESPACE)
        self._namespaces.add_handler(
            on_add=self._enqueue, on_update=lambda _, new: self._enqueue(new), on_delete=self._forget
        )

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._namespaces.run())
            await self._namespaces.wait_synced()
            group.create_task(self.queue.run(self.reconcile, workers=1, retry=_retry))

    async def reconcile(self, name: str) -> None:
        """Give one namespace a block when it has none. Raises PodsysctlError when all blocks are taken."""
        namespace = self._namespaces.get(name)
        if namespace is None or UID_RANGE in _annotations(namespace):
            return
        uid = namespace["metadata"].get("uid", name)
        if uid in self._given:
            return
        taken = {text for other in self._namespaces.store.values() if (text := _annotations(other).get(UID_RANGE))}
        block = namespace_range.allocate_block([*taken, *self._given.values()])
        if block is None:
            raise PodsysctlError("uid range exceeded")
        wanted = namespace_range.namespace_annotations(block)
        wanted[MCS] = _annotations(namespace).get(MCS, wanted[MCS])
        patch = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "uid": namespace["metadata"].get("uid"), "annotations": wanted},
        }
        self._given[uid] = wanted[UID_RANGE]
        try:
            await self._client.patch(
                NAMESPACE, name, patch, patch_type="apply", field_manager=FIELD_MANAGER, force=True
            )
        except PodsysctlError as error:
            del self._given[uid]
            if not (isinstance(error, StatusError) and error.code == 404):
                raise

    def _enqueue(self, namespace: Object) -> None:
        if UID_RANGE in _annotations(namespace):
            self._forget(namespace)
        else:
            self.queue.add(namespace["metadata"]["name"])

    def _forget(self, namespace: Object) -> None:
        """The store knows better now."""
        self._given.pop(namespace["metadata"].get("uid", ""), None)


def _annotations(namespace: Object) -> dict[str, str]:
    annotations: dict[str, str] = (namespace.get("metadata") or {}).get("annotations") or {}
    return annotations


def _retry(key: Hashable, error: PodsysctlError) -> bool:
    """Anything may heal with another try, later and later; what the server refuses is said."""
    if not isinstance(error, ConnectionFailedError):
        log.warning("ranges of namespace %s: %s", key, error.message)
    return True
