"""Which object owns which, of everything in the cluster.

Only what the decisions need is kept of an object. Source: Kubernetes 1.36
`pkg/controller/garbagecollector/{graph,graph_builder}.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podsysctl.client.rest import Object, Resource

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


@dataclass(frozen=True, slots=True)
class Node:
    """One object."""

    uid: str
    kind: Resource
    namespace: str
    name: str
    owners: tuple[Object, ...]
    finalizers: frozenset[str]
    deleting: bool

    @property
    def waits_for_dependents(self) -> bool:
        """Whether it is being deleted in the foreground."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        """Whether its dependents are to lose it before it goes."""
        return self.deleting and ORPHAN in self.finalizers


def node_of(obj: Object, kind: Resource) -> Node:
    """The node of an object."""
    metadata = obj["metadata"]
    return Node(
        uid=metadata["uid"],
        kind=kind,
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        owners=tuple(metadata.get("ownerReferences") or ()),
        finalizers=frozenset(metadata.get("finalizers") or ()),
        deleting=bool(metadata.get("deletionTimestamp")),
    )


class Graph:
    """Nodes by uid, and dependents by the uid of an owner, whether that owner is known or not."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        """One node."""
        return self._nodes.get(uid)

    def nodes(self) -> Iterable[Node]:
        """All nodes."""
        return list(self._nodes.values())

    def put(self, node: Node) -> Node | None:
        """Add or replace a node; returns what was there."""
        before = self._nodes.get(node.uid)
        if before is not None:
            self._unlink(before)
        self._nodes[node.uid] = node
        for owner in node.owners:
            self._dependents.setdefault(owner.get("uid", ""), set()).add(node.uid)
        return before

    def remove(self, uid: str) -> Node | None:
        """Take a node out; its dependents stay known as such."""
        node = self._nodes.pop(uid, None)
        if node is not None:
            self._unlink(node)
        return node

    def dependents(self, uid: str) -> list[Node]:
        """The objects that name this one as an owner."""
        return [self._nodes[one] for one in self._dependents.get(uid, ()) if one in self._nodes]

    def blocking(self, uid: str) -> list[Node]:
        """Dependents that a foreground deletion of this object waits for."""
        return [
            node
            for node in self.dependents(uid)
            if any(o.get("uid") == uid and o.get("blockOwnerDeletion") for o in node.owners)
        ]

    def _unlink(self, node: Node) -> None:
        for owner in node.owners:
            known = self._dependents.get(owner.get("uid", ""))
            if known is not None:
                known.discard(node.uid)
                if not known:
                    del self._dependents[owner.get("uid", "")]
