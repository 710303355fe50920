"""Which of the nodes that can take a pod is best.

Weights and shapes follow the default profile of Kubernetes 1.36 (`apis/config/v1/default_plugins.go`): taints
preferred against 3, node affinity 2, spreading of siblings 2, least allocated 1, balance 1. Besides, nodes that
publish which sysctls they accept are preferred for pods that want those; no node is ever excluded by that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from podsysctl.objects import node_affinity, taints
from podsysctl.policy.scheduling.nodeinfo import NodeInfo, keep
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.scheduler import sysctl_preference

FULL = 100


def best(pod: PodInfo, nodes: Sequence[NodeInfo], *, turn: int = 0) -> NodeInfo:
    """The node with the highest sum; among equals the choice goes round with `turn`."""
    if len(nodes) == 1:
        return nodes[0]
    totals = [0.0] * len(nodes)
    for weight, score, reverse, tells in _SCORES:
        if not tells(pod):
            continue
        values = [score(pod, node) for node in nodes]
        if not any(values):
            continue
        for position, value in enumerate(_normalised(values, reverse=reverse)):
            totals[position] += weight * value
    for weight, direct, tells in _DIRECT:
        if not tells(pod):
            continue
        for position, node in enumerate(nodes):
            totals[position] += weight * direct(pod, node)
    highest = max(totals)
    winners = [node for node, total in zip(nodes, totals, strict=True) if total >= highest - 1e-9]
    return winners[turn % len(winners)]


def _normalised(values: Sequence[float], *, reverse: bool) -> list[float]:
    """Values as shares of the highest; reversed, the highest is worst."""
    highest = max(values)
    if highest <= 0:
        return [float(FULL) if reverse else 0.0] * len(values)
    shares = [FULL * value / highest for value in values]
    return [FULL - share for share in shares] if reverse else shares


def _intolerable(pod: PodInfo, node: NodeInfo) -> float:
    """How many preferences against it the pod does not tolerate."""
    if not node.taints:
        return 0
    known = node.dislikes.get(pod.placement)
    return keep(node.dislikes, pod.placement, _count_intolerable(pod, node)) if known is None else known


def _count_intolerable(pod: PodInfo, node: NodeInfo) -> int:
    tolerations = [
        entry
        for entry in pod.spec.get("tolerations") or ()
        if not entry.get("effect") or entry["effect"] == taints.PREFER_NO_SCHEDULE
    ]
    return sum(
        1
        for taint in node.taints
        if taint.get("effect") == taints.PREFER_NO_SCHEDULE
        and not any(taints.tolerates(entry, taint) for entry in tolerations)
    )


def _preferred(pod: PodInfo, node: NodeInfo) -> float:
    return node_affinity.preference(pod.spec, node.name, node.labels)


def _siblings(pod: PodInfo, node: NodeInfo) -> float:
    return node.owners.get(pod.owner, 0) if pod.owner else 0


def _shares(pod: PodInfo, node: NodeInfo) -> tuple[float, float]:
    """Shares of cpu and memory taken once the pod is there."""
    cpu, memory = pod.scored
    offered_cpu, offered_memory = node.allocatable.get("cpu", 0), node.allocatable.get("memory", 0)
    return (
        min(1.0, (node.scored_cpu + cpu) / offered_cpu) if offered_cpu else 1.0,
        min(1.0, (node.scored_memory + memory) / offered_memory) if offered_memory else 1.0,
    )


def _allocation(pod: PodInfo, node: NodeInfo) -> float:
    """Least allocated and balance, both of weight 1, from the same shares."""
    known = node.allocations.get(pod.scored)
    return keep(node.allocations, pod.scored, _count_allocation(pod, node)) if known is None else known


def _count_allocation(pod: PodInfo, node: NodeInfo) -> float:
    cpu, memory = _shares(pod, node)
    return FULL * (2 - cpu - memory) / 2 + FULL * (1 - abs(cpu - memory) / 2)


def _always(_: PodInfo) -> bool:
    return True


def _has_affinity(pod: PodInfo) -> bool:
    return bool(pod.spec.get("affinity"))


def _has_owner(pod: PodInfo) -> bool:
    return bool(pod.owner)


_Score = Callable[[PodInfo, NodeInfo], float]
_Tells = Callable[[PodInfo], bool]
"""Whether a score may tell nodes apart for this pod; one that gives all of them the same is not asked."""

_SCORES: tuple[tuple[int, _Score, bool, _Tells], ...] = (
    (3, _intolerable, True, _always),
    (2, _preferred, False, _has_affinity),
    (2, _siblings, True, _has_owner),
)
_DIRECT: tuple[tuple[int, _Score, _Tells], ...] = (
    (1, _allocation, _always),
    (sysctl_preference.WEIGHT, sysctl_preference.score, sysctl_preference.tells),
)
