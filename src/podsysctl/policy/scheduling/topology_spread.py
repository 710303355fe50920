"""Whether a pod would crowd one part of the cluster: topologySpreadConstraints that say DoNotSchedule.

Source: Kubernetes 1.36 `pkg/scheduler/framework/plugins/podtopologyspread/filtering.go`. Constraints that say
ScheduleAnyway are not looked at, and neither is the cluster's default, which says that as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.objects import node_affinity, taints
from podsysctl.objects.selectors import IN, LabelSelector, Requirement
from podsysctl.policy.scheduling import terms
from podsysctl.policy.scheduling.misfit import Misfit
from podsysctl.policy.scheduling.nodeinfo import Cluster, NodeInfo
from podsysctl.policy.scheduling.podinfo import PodInfo

CROWDED = "node(s) didn't match pod topology spread constraints"
NO_LABEL = f"{CROWDED} (missing required label)"

_HARD = (taints.NO_SCHEDULE, taints.NO_EXECUTE)


@dataclass(slots=True)
class _Constraint:
    """One constraint, and how many pods it counts in each part of the cluster that it knows."""

    key: str
    selector: LabelSelector
    max_skew: int
    min_domains: int
    heeds_affinity: bool
    heeds_taints: bool
    counts: Counter[str] = field(default_factory=Counter)
    lowest: int = 0

    def settle(self) -> None:
        """The least crowded part is what others are compared with; with too few parts that is an empty one."""
        self.lowest = min(self.counts.values()) if len(self.counts) >= self.min_domains else 0


def prepare(pod: PodInfo, cluster: Cluster) -> Callable[[NodeInfo], Misfit | None] | None:
    """The filter for one pod, made by one look at all pods; None when it has no such constraint."""
    constraints = [_read(entry, pod.labels) for entry in pod.hard_spread]
    if not constraints:
        return None
    for node in cluster.nodes():
        if all(constraint.key in node.labels for constraint in constraints):
            _count(constraints, pod, node)
    for constraint in constraints:
        constraint.settle()
    added = [int(constraint.selector.matches(pod.labels)) for constraint in constraints]

    def check(node: NodeInfo) -> Misfit | None:
        for constraint, own in zip(constraints, added, strict=True):
            part = node.labels.get(constraint.key)
            if part is None:
                return Misfit((NO_LABEL,))
            if constraint.counts[part] + own - constraint.lowest > constraint.max_skew:
                return Misfit((CROWDED,), hopeless=False)
        return None

    return check


def _read(entry: Mapping[str, Any], labels: Mapping[str, str]) -> _Constraint:
    """A constraint; of matchLabelKeys those count that the pod has, with its own values."""
    found = terms.selector(entry.get("labelSelector"))
    own = tuple(Requirement(key, IN, (labels[key],)) for key in entry.get("matchLabelKeys") or () if key in labels)
    if own and not found.nothing:
        found = LabelSelector((*found.requirements, *own))
    return _Constraint(
        key=str(entry.get("topologyKey") or ""),
        selector=found,
        max_skew=int(entry.get("maxSkew") or 1),
        min_domains=int(entry.get("minDomains") or 1),
        heeds_affinity=(entry.get("nodeAffinityPolicy") or "Honor") == "Honor",
        heeds_taints=(entry.get("nodeTaintsPolicy") or "Ignore") == "Honor",
    )


def _count(constraints: list[_Constraint], pod: PodInfo, node: NodeInfo) -> None:
    """Add a node's pods to the constraints that count the node."""
    fits = node_affinity.required_match(pod.spec, node.name, node.labels)
    tolerated = taints.first_untolerated(node.taints, pod.spec.get("tolerations"), _HARD) is None
    for constraint in constraints:
        if (constraint.heeds_affinity and not fits) or (constraint.heeds_taints and not tolerated):
            continue
        constraint.counts[node.labels[constraint.key]] += _matching(node, constraint.selector, pod.namespace)


def _matching(node: NodeInfo, selector: LabelSelector, namespace: str) -> int:
    """Pods of the namespace that a selector selects; one that selects all counts none, nor do pods that are going."""
    if selector.empty:
        return 0
    return sum(
        other.namespace == namespace and not other.is_going and selector.matches(other.labels)
        for other in node.pods.values()
    )
