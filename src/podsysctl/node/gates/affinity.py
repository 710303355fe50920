"""Whether the node fits the pod's nodeSelector, required node affinity and nodeName (predicate.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.node import pod as pods
from podsysctl.node.gates.verdict import NodeView, Rejection
from podsysctl.objects import selectors

_OPERATORS = {
    "In": selectors.IN,
    "NotIn": selectors.NOT_IN,
    "Exists": selectors.EXISTS,
    "DoesNotExist": selectors.NOT_EXISTS,
    "Gt": selectors.GREATER,
    "Lt": selectors.LESS,
}


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """Refuse a pod that was put here by name although it asks for another kind of node."""
    if not fits(pod, view.labels, view.node_name):
        text = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        return Rejection("NodeAffinity", text)
    named = pods.spec(pod).get("nodeName")
    if named and named != view.node_name:
        return Rejection("NodeName", "Predicate NodeName failed: node(s) didn't match the requested node name")
    return None


def fits(pod: pods.Pod, labels: Mapping[str, str], node_name: str) -> bool:
    """Whether selector and required affinity match the labels; terms are alternatives."""
    selector = pods.spec(pod).get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    affinity = (pods.spec(pod).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term(term, labels, node_name) for term in required.get("nodeSelectorTerms") or ())


def _term(term: Mapping[str, Any], labels: Mapping[str, str], node_name: str) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    named = {"metadata.name": node_name}
    return all(_matches(e, labels) for e in expressions) and all(_matches(f, named) for f in fields)


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    operator = _OPERATORS[expression["operator"]]
    requirement = selectors.Requirement(expression["key"], operator, tuple(expression.get("values") or ()))
    return requirement.matches(labels)
