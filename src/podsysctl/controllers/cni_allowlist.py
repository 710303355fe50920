"""The cluster's allowlist for sysctls of interfaces: made when absent, and every change of it told as an event.

ConfigMap `cni-sysctl-allowlist` in `openshift-multus`, as OpenShift's network operator has it. Nodes follow it
themselves (`node/networks/allowlist_file.py`).
"""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import StatusError, UsageError
from podsysctl.controllers.scope import NAMESPACES, Object, Reconciler, Scope, key_of
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy import interface, tuning_allowlist

CONFIG_MAPS = builtin_by_resource("", "v1", "configmaps")
NAMESPACE, NAME = "openshift-multus", "cni-sysctl-allowlist"
DEFAULT_NAME = "default-cni-sysctl-allowlist"
"""The pristine template that OpenShift keeps beside it."""

_KEY = f"{NAMESPACE}/{NAME}"
_MOST_CHARACTERS = 400
"""Of added and of removed entries; events elsewhere end at 1,024 bytes."""


class CniAllowlistController(Reconciler):
    """Keeps the ConfigMap there."""

    name = "cni-allowlist-controller"
    workers = 1

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._maps = self.need(CONFIG_MAPS)
        self._recorder = scope.recorder(self.name)
        self._entries: list[str] | None = None
        self._maps.add_handler(self._seen, lambda _, new: self._seen(new), self._gone)
        self.queue.add(_KEY)

    def _gone(self, config_map: Object) -> None:
        if key_of(config_map) == _KEY:
            self.queue.add(_KEY)

    def _seen(self, config_map: Object) -> None:
        """Tell what changes for nodes, also when the ConfigMap was deleted and made anew."""
        if key_of(config_map) != _KEY:
            return
        try:
            entries = tuning_allowlist.parse(interface.allowlist_text(config_map))
        except UsageError as error:
            self._tell(config_map, "Warning", "InvalidAllowlist", f"nodes keep the list they have: {error.message}")
            return
        before, self._entries = self._entries, entries
        text = describe_change(before, entries) if before is not None else ""
        if text:
            self._tell(config_map, "Normal", "AllowlistChanged", text)
        try:
            tuning_allowlist.check(entries)
        except tuning_allowlist.BrokenEntryError as error:
            text = f"every pod with interface sysctls may be refused: {error}"
            self._tell(config_map, "Warning", "InvalidAllowlist", text)

    def _tell(self, config_map: Object, kind: str, reason: str, text: str) -> None:
        self._recorder.event({**config_map, "kind": "ConfigMap", "apiVersion": "v1"}, kind, reason, text)

    async def reconcile(self, key: str) -> None:
        """Make namespace, template and list where they are absent; what is there stays as it is."""
        await self._ensure(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        text = "\n".join(interface.default_allowlist()) + "\n"
        for name in (DEFAULT_NAME, NAME):
            metadata = {"name": name, "namespace": NAMESPACE}
            data = {interface.ALLOWLIST_KEY: text}
            document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
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
    parts = [f"{word} {_listed(entries)}" for word, entries in (("added", added), ("removed", removed)) if entries]
    return "; ".join([*parts, "new pods are judged by it, running ones are not"]) if parts else ""


def _listed(entries: list[str]) -> str:
    """The entries, as many as an event has room for beside as many others."""
    shown: list[str] = []
    for entry in entries:
        if sum(map(len, shown)) + len(shown) + len(entry) > _MOST_CHARACTERS:
            return " ".join([*shown, f"and {len(entries) - len(shown)} more"])
        shown.append(entry)
    return " ".join(shown)
