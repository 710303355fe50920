"""Whether the node fits the pod's nodeSelector, required node affinity and nodeName (predicate.go)."""

from __future__ import annotations

from podsysctl.objects import node_affinity
from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling import filters
from podsysctl.policy.scheduling.podinfo import PodInfo


def admit(pod: PodInfo, view: NodeView) -> Rejection | None:
    """Refuse a pod that was put here by name although it asks for another kind of node."""
    if not node_affinity.required_match(pod.spec, view.node_name, view.labels):
        return Rejection("NodeAffinity", f"Predicate NodeAffinity failed: {filters.AFFINITY}")
    named = pod.spec.get("nodeName")
    if named and named != view.node_name:
        return Rejection("NodeName", f"Predicate NodeName failed: {filters.NODE_NAME}")
    return None
