"""Which pool a node belongs to.

A node in `worker` and one custom pool belongs to the custom pool; in `master` and anything, to `master`; two
custom pools are an error (machine-config-operator pkg/helpers/helpers.go, GetPoolsForNode).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.objects import selectors

log = logging.getLogger(__name__)

Object = dict[str, Any]


class PoolConflictError(PodsysctlError):
    """A node is claimed by two custom pools."""

    reason = "PoolConflict"


class Members:
    """The nodes of every pool, kept current node by node, so that one change costs one look."""

    def __init__(self) -> None:
        self._pools: list[Object] = []
        self._nodes: dict[str, Object] = {}
        self._pool_of: dict[str, str] = {}
        self._members: dict[str, dict[str, Object]] = {}

    def set_pools(self, pools: Iterable[Object]) -> None:
        """The pools have changed: every node is judged anew."""
        self._pools = list(pools)
        self._members = {}
        for node in self._nodes.values():
            self._file(node)

    def set_node(self, node: Object) -> set[str]:
        """A node was added or changed; the names of the pools that this touches."""
        name = node["metadata"]["name"]
        known = self._nodes.get(name)
        self._nodes[name] = node
        if known is not None and known["metadata"].get("labels") == node["metadata"].get("labels"):
            pool = self._pool_of[name]  # which pool depends on labels and on the pools alone
            if pool:
                self._members[pool][name] = node
            return {pool} if pool else set()
        before = self._unfile(name)
        after = self._file(node)
        return {pool for pool in (before, after) if pool}

    def remove_node(self, name: str) -> set[str]:
        """A node has gone; the names of the pools that this touches."""
        self._nodes.pop(name, None)
        before = self._unfile(name)
        return {before} if before else set()

    def nodes(self, pool_name: str) -> list[Object]:
        """The nodes of a pool, by name; a node that two custom pools claim is in neither."""
        members = self._members.get(pool_name, {})
        return [members[name] for name in sorted(members)]

    def count(self, pool_name: str) -> int:
        """How many nodes a pool has."""
        return len(self._members.get(pool_name, ()))

    def _file(self, node: Object) -> str:
        name = node["metadata"]["name"]
        try:
            pool = pool_of(node, self._pools)
        except PoolConflictError as error:
            log.warning("%s", error.message)
            pool = None
        pool_name = str(pool["metadata"]["name"]) if pool is not None else ""
        self._pool_of[name] = pool_name
        if pool_name:
            self._members.setdefault(pool_name, {})[name] = node
        return pool_name

    def _unfile(self, name: str) -> str:
        pool_name = self._pool_of.pop(name, "")
        self._members.get(pool_name, {}).pop(name, None)
        return pool_name


def pool_of(node: Object, pools: Iterable[Object]) -> Object | None:
    """The pool that decides the node's configuration; None when no pool selects it.

    Raises PoolConflictError when two custom pools do.
    """
    labels = node["metadata"].get("labels") or {}
    matching = {pool["metadata"]["name"]: pool for pool in pools if _selects(pool, labels)}
    if "master" in matching:
        return matching["master"]
    custom = [name for name in matching if name != "worker"]
    if len(custom) > 1:
        name = node["metadata"]["name"]
        raise PoolConflictError(f"node {name} belongs to {len(custom)} custom roles, cannot proceed with this Node")
    if custom:
        return matching[custom[0]]
    return matching.get("worker")


def _selects(pool: Object, labels: Mapping[str, str]) -> bool:
    """Whether a pool's selector matches; one that cannot be understood, which the API takes, selects nothing."""
    selector = pool["spec"].get("nodeSelector")
    try:
        return bool(selector) and selectors.from_object(selector).matches(labels)
    except UsageError:
        return False
