"""The cluster's allowlist for sysctls of interfaces: made when absent, and every change of it told as an event.

ConfigMap `cni-sysctl-allowlist` in `openshift-multus`, as OpenShift's network operator has it. Nodes follow it
themselves (`node/networks/allowlist_file.py`).
"""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import StatusError
from podsysctl.controllers.scope import NAMESPACES, Object, Reconciler, Scope, key_of
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy import interface, tuning_allowlist

CONFIG_MAPS = builtin_by_resource("", "v1", "configmaps")
NAMESPACE, NAME, KEY = "openshift-multus", "cni-sysctl-allowlist", "allowlist.conf"
DEFAULT_NAME = "default-cni-sysctl-allowlist"
"""The pristine template that OpenShift keeps beside it."""

_KEY = f"{NAMESPACE}/{NAME}"


class CniAllowlistController(Reconciler):
    """Keeps the ConfigMap there."""

    name = "cni-allowlist-controller"
    workers = 1

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._maps = self.need(CONFIG_MAPS)
        self._recorder = scope.recorder(self.name)
        self._maps.add_handler(on_update=self._changed, on_delete=self._gone)
        self.queue.add(_KEY)

    def _gone(self, config_map: Object) -> None:
        if key_of(config_map) == _KEY:
            self.queue.add(_KEY)

    def _changed(self, old: Object, new: Object) -> None:
        if key_of(new) != _KEY:
            return
        text = describe_change(_entries(old), _entries(new))
        if text:
            self._recorder.event({**new, "kind": "ConfigMap", "apiVersion": "v1"}, "Normal", "AllowlistChanged", text)
        try:
            tuning_allowlist.check(_entries(new))
        except tuning_allowlist.BrokenEntryError as error:
            text = f"every pod with interface sysctls may be refused: {error}"
            self._recorder.event({**new, "kind": "ConfigMap", "apiVersion": "v1"}, "Warning", "InvalidAllowlist", text)

    async def reconcile(self, key: str) -> None:
        """Make namespace, template and list where they are absent; what is there stays as it is."""
        await self._ensure(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        text = "\n".join(interface.default_allowlist()) + "\n"
        for name in (DEFAULT_NAME, NAME):
            metadata = {"name": name, "namespace": NAMESPACE}
            document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: text}}
            await self._ensure(CONFIG_MAPS, document)

    async def _ensure(self, kind: Any, document: Object) -> None:
        try:
            await self.client.create(kind, document)
        except StatusError as error:
            if error.code != 409:
                raise


def describe_change(old: list[str], new: list[str]) -> str:
    """What a change adds and removes, '' when nothing.

    >>> describe_change(["^a$"], ["^b$"])
    'added ^b$; removed ^a$; new pods are judged by it, running ones are not'
    """
    added = [entry for entry in new if entry not in old]
    removed = [entry for entry in old if entry not in new]
    parts = [f"{word} {' '.join(entries)}" for word, entries in (("added", added), ("removed", removed)) if entries]
    return "; ".join([*parts, "new pods are judged by it, running ones are not"]) if parts else ""


def _entries(config_map: Object) -> list[str]:
    return tuning_allowlist.parse((config_map.get("data") or {}).get(KEY) or "")
