"""The scheduler's picture of the nodes: what each offers, and what the pods on it already take.

Pods that were decided on but are not bound yet count as well (they are assumed), so that two decisions never
give the same place away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.objects.quantity import NANO, parse_quantity
from podsysctl.policy.scheduling.misfit import Misfit
from podsysctl.policy.scheduling.podinfo import Object, PodInfo, Port

KINDS_KEPT = 256
"""Kinds of pods of which a node remembers what was found: more than most clusters have templates."""

K = TypeVar("K")
V = TypeVar("V")


class NodeInfo:
    """One node and the pods on it; `node` is None while only its pods are known.

    What filters and scores found is kept here until what it rests on changes, since the pods of one template all ask
    the same of each node: `verdicts` and `dislikes`, by `PodInfo.placement`, rest on the Node's name, labels, taints
    and unschedulable; `allocations`, by `PodInfo.scored`, rest on its allocatable and on the pods counted in.
    """

    __slots__ = (
        "allocatable",
        "allocations",
        "dislikes",
        "labels",
        "name",
        "node",
        "owners",
        "pods",
        "ports",
        "requested",
        "scored_cpu",
        "scored_memory",
        "taints",
        "unschedulable",
        "verdicts",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.node: Object | None = None
        self.labels: Mapping[str, str] = {}
        self.taints: list[Object] = []
        self.unschedulable = False
        self.allocatable: dict[str, int] = {}
        self.requested: Counter[str] = Counter()
        self.scored_cpu = 0
        self.scored_memory = 0
        self.pods: dict[str, PodInfo] = {}
        self.ports: Counter[Port] = Counter()
        self.owners: Counter[str] = Counter()
        self.verdicts: dict[bytes, Misfit | None] = {}
        self.dislikes: dict[bytes, int] = {}
        self.allocations: dict[tuple[int, int], float] = {}

    def set_node(self, node: Object) -> None:
        """Take over what the Node object says."""
        before, self.node = self.node, node
        labels = node["metadata"].get("labels") or {}
        spec = node.get("spec") or {}
        tainted, unschedulable = list(spec.get("taints") or ()), bool(spec.get("unschedulable"))
        if (labels, tainted, unschedulable) != (self.labels, self.taints, self.unschedulable):
            self.labels, self.taints, self.unschedulable = labels, tainted, unschedulable
            self.verdicts.clear()
            self.dislikes.clear()
        if before is None or _allocatable(before) != _allocatable(node):
            self.allocatable = _amounts(_allocatable(node))
            self.allocations.clear()

    def has_below(self, priority: int) -> bool:
        """Whether a pod of lower priority is here."""
        return any(pod.priority < priority for pod in self.pods.values())

    def add(self, pod: PodInfo) -> None:
        """Count a pod in."""
        if pod.uid in self.pods:
            self.remove(pod.uid)
        self.pods[pod.uid] = pod
        self.allocations.clear()
        self.requested.update(pod.requests)
        cpu, memory = pod.scored
        self.scored_cpu += cpu
        self.scored_memory += memory
        self.ports.update(pod.ports)
        if pod.owner:
            self.owners[pod.owner] += 1

    def remove(self, uid: str) -> None:
        """Count a pod out; unknown ones are ignored."""
        pod = self.pods.pop(uid, None)
        if pod is None:
            return
        self.allocations.clear()
        self.requested.subtract(pod.requests)
        cpu, memory = pod.scored
        self.scored_cpu -= cpu
        self.scored_memory -= memory
        self.ports.subtract(pod.ports)
        for port in pod.ports:
            if self.ports[port] <= 0:
                del self.ports[port]
        if pod.owner:
            self.owners[pod.owner] -= 1
            if self.owners[pod.owner] <= 0:
                del self.owners[pod.owner]


def keep(found: dict[K, V], kind: K, value: V) -> V:
    """Remember what was found for a kind of pods; all else is forgotten once it is too much."""
    if len(found) >= KINDS_KEPT:
        found.clear()
    found[kind] = value
    return value


def _allocatable(node: Object) -> Mapping[str, Any]:
    return (node.get("status") or {}).get("allocatable") or {}


def _amounts(listed: Mapping[str, Any]) -> dict[str, int]:
    """Millicores of cpu, whole units of all others; what cannot be read counts as nothing there."""
    out = {}
    for name, value in listed.items():
        try:
            quantity = parse_quantity(str(value))
        except ValueSyntaxError:
            continue
        out[name] = quantity.milli if name == "cpu" else quantity.nanos // NANO
    return out


class Cluster:
    """All nodes by name, where each counted pod is, and the namespaces' labels.

    `repelling` are the counted pods with required anti-affinity, by uid: the only ones that matter to a pod without
    terms of its own.
    """

    def __init__(self) -> None:
        self.repelling: dict[str, PodInfo] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._nodes: dict[str, NodeInfo] = {}
        self._places: dict[str, str] = {}
        self._listed: list[NodeInfo] | None = None

    def nodes(self) -> list[NodeInfo]:
        """The nodes that exist, in a steady order."""
        if self._listed is None:
            self._listed = [info for info in self._nodes.values() if info.node is not None]
        return self._listed

    def get(self, name: str) -> NodeInfo | None:
        """One node that exists."""
        info = self._nodes.get(name)
        return info if info is not None and info.node is not None else None

    def set_node(self, node: Object) -> None:
        """A node came or changed."""
        name = node["metadata"]["name"]
        info = self._nodes.setdefault(name, NodeInfo(name))
        if info.node is None:
            self._listed = None
        info.set_node(node)

    def remove_node(self, name: str) -> None:
        """A node went; pods that are still bound to it stay counted until they go."""
        info = self._nodes.get(name)
        if info is None:
            return
        info.node = None
        self._listed = None
        if not info.pods:
            del self._nodes[name]

    def set_namespace(self, namespace: Object) -> None:
        """A namespace came or changed."""
        self._namespaces[namespace["metadata"]["name"]] = namespace["metadata"].get("labels") or {}

    def remove_namespace(self, name: str) -> None:
        """A namespace went."""
        self._namespaces.pop(name, None)

    def labels_of_namespace(self, name: str) -> Mapping[str, str]:
        """A namespace's labels; none of one that is not known."""
        return self._namespaces.get(name) or {}

    def place(self, pod: PodInfo, node_name: str) -> None:
        """A pod is on a node, or will be."""
        before = self._places.get(pod.uid)
        if before is not None and before != node_name:
            self.forget(pod.uid)
        if pod.repels:
            self.repelling[pod.uid] = pod
        self._places[pod.uid] = node_name
        self._nodes.setdefault(node_name, NodeInfo(node_name)).add(pod)

    def forget(self, uid: str) -> None:
        """A pod is on no node any more."""
        self.repelling.pop(uid, None)
        name = self._places.pop(uid, None)
        info = self._nodes.get(name) if name is not None else None
        if info is None:
            return
        info.remove(uid)
        if info.node is None and not info.pods:
            del self._nodes[info.name]

    def place_of(self, uid: str) -> str | None:
        """The node a pod is counted on."""
        return self._places.get(uid)
