"""Whether the pod's host ports are free on the node (predicate.go, NodePorts)."""

from __future__ import annotations

from collections import Counter

from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling import filters
from podsysctl.policy.scheduling.podinfo import PodInfo, ports_conflict


def admit(pod: PodInfo, view: NodeView) -> Rejection | None:
    """Refuse when another pod of the node has the same host port."""
    if pod.ports and ports_conflict(pod.ports, Counter(port for other in view.active_pods for port in other.ports)):
        return Rejection("NodePorts", f"Predicate NodePorts failed: {filters.PORTS}")
    return None
