"""Namespaces that are being deleted: remove what is in them, pods first, then let them go.

Source: Kubernetes 1.36 `pkg/controller/namespace/deletion`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client import discovery
from podsysctl.client.discovery import Found
from podsysctl.client.rest import Object
from podsysctl.controllers import conditions
from podsysctl.controllers.scope import NAMESPACES, Reconciler, Scope, is_deleting

FINALIZER = "kubernetes"
CHECK_S = (0.1, 5.0)
"""First and longest wait before what remains is looked at again."""

_OK = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


@dataclass(slots=True)
class _Remains:
    """What is left of a namespace after one pass."""

    resources: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


class NamespaceController(Reconciler):
    """Empties and finalizes terminating namespaces."""

    name = "namespace-controller"
    workers = 10

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._namespaces = self.need(NAMESPACES)
        self._waits: dict[str, float] = {}
        self._namespaces.add_handler(
            on_add=self._changed, on_update=lambda _, new: self._changed(new), on_delete=self._gone
        )

    def _changed(self, namespace: Object) -> None:
        if is_deleting(namespace):
            self.queue.add(namespace["metadata"]["name"])

    def _gone(self, namespace: Object) -> None:
        self._waits.pop(namespace["metadata"]["name"], None)

    async def reconcile(self, key: str) -> None:
        """One pass over one terminating namespace."""
        try:
            namespace = await self.client.get(NAMESPACES, key)
        except StatusError as error:
            if error.code == 404:
                return
            raise
        if not is_deleting(namespace) or FINALIZER not in (namespace.get("spec") or {}).get("finalizers", ()):
            return
        remains = await self._empty(key)
        await self._write_conditions(namespace, remains)
        if remains.resources or remains.errors:
            first_s, longest_s = CHECK_S
            wait_s = self._waits.get(key, first_s)
            self._waits[key] = min(wait_s * 2, longest_s)
            self.queue.add_after(key, wait_s)
            return
        await self._finalize(key)

    async def _empty(self, namespace: str) -> _Remains:
        """Delete everything deletable; other kinds wait until the last pod is gone."""
        mapper = await discovery.discover(self.client)
        kinds = [kind for kind in mapper.preferred() if kind.namespaced and "delete" in kind.verbs]
        pods = [kind for kind in kinds if not kind.group and kind.plural == "pods"]
        others = [kind for kind in kinds if kind not in pods]
        remains = _Remains()
        for group in (pods, others):
            for kind in group:
                await self._empty_kind(namespace, kind, remains)
            if remains.resources or remains.errors:
                break
        return remains

    async def _empty_kind(self, namespace: str, kind: Found, remains: _Remains) -> None:
        try:
            items = (await self.client.list(kind, namespace)).items
            if not items:
                return
            if "deletecollection" in kind.verbs:
                await self.client.delete_collection(kind, namespace)
            else:
                for item in items:
                    await self.client.delete(kind, item["metadata"]["name"], namespace)
            items = (await self.client.list(kind, namespace)).items
        except StatusError as error:
            if error.code not in (404, 405):
                remains.errors.append(error.message)
            return
        except ConnectionFailedError as error:
            remains.errors.append(error.message)
            return
        if items:
            remains.resources[f"{kind.plural}.{kind.group}"] = len(items)
            for item in items:
                remains.finalizers.update(item["metadata"].get("finalizers") or ())

    async def _write_conditions(self, namespace: Object, remains: _Remains) -> None:
        found: dict[str, tuple[str, str]] = {}
        if remains.errors:
            text = f"Failed to delete all resource types, {len(remains.errors)} remaining: "
            found["NamespaceDeletionContentFailure"] = (
                "ContentDeletionFailed",
                text + "; ".join(sorted(remains.errors)),
            )
        if remains.resources:
            listed = ", ".join(
                f"{name} has {count} resource instances" for name, count in sorted(remains.resources.items())
            )
            found["NamespaceContentRemaining"] = ("SomeResourcesRemain", f"Some resources are remaining: {listed}")
        if remains.finalizers:
            listed = ", ".join(
                f"{name} in {count} resource instances" for name, count in sorted(remains.finalizers.items())
            )
            found["NamespaceFinalizersRemaining"] = (
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {listed}",
            )
        status = dict(namespace.get("status") or {})
        before = conditions.without_times(status.get("conditions") or ())
        for type, (ok_reason, ok_message) in _OK.items():
            reason, message = found.get(type, (ok_reason, ok_message))
            value = "True" if type in found else "False"
            current = conditions.find(status, type)
            made = conditions.make(type, value, reason, message, self.scope.now())
            if current is None or (current.get("status"), current.get("message")) != (value, message):
                conditions.put(status, made)
        if conditions.without_times(status.get("conditions") or ()) == before:
            return
        try:
            await self.client.update(NAMESPACES, {**namespace, "status": status}, "status")
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    async def _finalize(self, name: str) -> None:
        """Take our finalizer off; the last one ends the namespace."""
        try:
            namespace = await self.client.get(NAMESPACES, name)
            spec = dict(namespace.get("spec") or {})
            spec["finalizers"] = [entry for entry in spec.get("finalizers") or () if entry != FINALIZER]
            await self.client.update(NAMESPACES, {**namespace, "spec": spec}, "finalize")
        except StatusError as error:
            if error.code != 404:
                raise
