"""Whether the node fits the pod's nodeSelector, required node affinity and nodeName (predicate.go)."""

from __future__ import annotations

from podsysctl.node import pod as pods
from podsysctl.node.gates.verdict import NodeView, Rejection
from podsysctl.objects import node_affinity


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """Refuse a pod that was put here by name although it asks for another kind of node."""
    if not node_affinity.required_match(pods.spec(pod), view.node_name, view.labels):
        text = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        return Rejection("NodeAffinity", text)
    named = pods.spec(pod).get("nodeName")
    if named and named != view.node_name:
        return Rejection("NodeName", "Predicate NodeName failed: node(s) didn't match the requested node name")
    return None
