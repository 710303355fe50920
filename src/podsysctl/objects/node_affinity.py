"""Whether a pod's nodeSelector and node affinity match a node.

Source: Kubernetes 1.36 `component-helpers/scheduling/corev1/nodeaffinity`. Terms are alternatives, what is in
a term must all hold, an empty term matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podsysctl.objects import selectors

_Entry = Mapping[str, Any]

_OPERATORS = {
    "In": selectors.IN,
    "NotIn": selectors.NOT_IN,
    "Exists": selectors.EXISTS,
    "DoesNotExist": selectors.NOT_EXISTS,
    "Gt": selectors.GREATER,
    "Lt": selectors.LESS,
}


def required_match(spec: _Entry, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node of this name and labels fulfils what the pod's spec requires."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    required = _node_affinity(spec).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any_term_matches(required.get("nodeSelectorTerms") or (), name, labels)


def preference(spec: _Entry, name: str, labels: Mapping[str, str]) -> int:
    """The sum of the weights of the preferred terms that match; an empty preferred term matches nothing."""
    preferred = _node_affinity(spec).get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(
        int(entry.get("weight") or 0)
        for entry in preferred
        if term_matches(entry.get("preference") or {}, name, labels)
    )


def named_nodes(spec: _Entry) -> frozenset[str] | None:
    """The only nodes whose names the required terms allow, or None when they allow any.

    An empty set means that the terms contradict each other.
    """
    required = _node_affinity(spec).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    names: set[str] = set()
    terms = required.get("nodeSelectorTerms") or ()
    for term in terms:
        allowed: set[str] | None = None
        for entry in term.get("matchFields") or ():
            if entry.get("key") == "metadata.name" and entry.get("operator") == "In":
                values = set(entry.get("values") or ())
                allowed = values if allowed is None else allowed & values
        if allowed is None:
            return None
        names |= allowed
    return frozenset(names) if terms else None


def any_term_matches(terms: Iterable[_Entry], name: str, labels: Mapping[str, str]) -> bool:
    """Whether one of the alternatives holds."""
    return any(term_matches(term, name, labels) for term in terms)


def term_matches(term: _Entry, name: str, labels: Mapping[str, str]) -> bool:
    """Whether everything in a term holds."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_holds(entry, labels) for entry in expressions) and all(
        _holds(entry, {"metadata.name": name}) for entry in fields
    )


def _holds(entry: _Entry, values: Mapping[str, str]) -> bool:
    operator = _OPERATORS.get(entry.get("operator", ""))
    if operator is None:
        return False
    requirement = selectors.Requirement(entry.get("key", ""), operator, tuple(entry.get("values") or ()))
    return requirement.matches(values)


def _node_affinity(spec: _Entry) -> _Entry:
    return (spec.get("affinity") or {}).get("nodeAffinity") or {}
