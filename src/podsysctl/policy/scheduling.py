"""Which nodes a scheduler may choose for a pod: selectors, affinity, taints, cordons.

Resources are left out: they change by the minute and have nothing to do with sysctls.
Source: kube-scheduler plugins nodeaffinity, tainttoleration, nodeunschedulable; texts of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from podsysctl.policy.situation import Node
from podsysctl.policy.verdict import Gate, Outcome, Verdict

_UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def evaluate(pod: Mapping[str, Any], node: Node) -> Verdict:
    """Whether the scheduler may place the pod on the node. A pod with a nodeName is past this gate."""
    spec: Mapping[str, Any] = pod.get("spec") or {}
    if spec.get("nodeName"):
        is_here = spec["nodeName"] == node.name
        reason = "" if is_here else f"the pod names node {spec['nodeName']}"
        return Verdict(Gate.SCHEDULING, Outcome.ALLOWED if is_here else Outcome.REFUSED, "", reason, "nodeName")
    if not _fits_selector(spec, node):
        text = "node(s) didn't match Pod's node affinity/selector"
        return Verdict(Gate.SCHEDULING, Outcome.REFUSED, "", text, "nodeSelector and affinity")
    tolerations = spec.get("tolerations") or ()
    if node.unschedulable and not _tolerates(_UNSCHEDULABLE_TAINT, tolerations):
        return Verdict(Gate.SCHEDULING, Outcome.REFUSED, "", "node(s) were unschedulable", "cordon")
    for taint in node.facts.taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerates(taint, tolerations):
            shown = f"{taint.get('key')}={taint.get('value') or ''}:{taint.get('effect')}"
            return Verdict(Gate.SCHEDULING, Outcome.REFUSED, "", "node(s) had untolerated taint(s)", f"taint {shown}")
    return Verdict(Gate.SCHEDULING, Outcome.ALLOWED)


def _tolerates(taint: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> bool:
    for toleration in tolerations:
        if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
            continue
        key = toleration.get("key") or ""
        if key and key != taint.get("key"):
            continue
        exists = toleration.get("operator") == "Exists"
        if exists or (key and (toleration.get("value") or "") == (taint.get("value") or "")):
            return True
    return False


def _fits_selector(spec: Mapping[str, Any], node: Node) -> bool:
    labels = node.facts.labels
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_fits_term(term, labels, node.name) for term in required.get("nodeSelectorTerms") or ())


def _fits_term(term: Mapping[str, Any], labels: Mapping[str, str], name: str) -> bool:
    """One alternative of required affinity; an empty one matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_matches(e, labels) for e in expressions) and all(_matches(f, {"metadata.name": name}) for f in fields)


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.get("key") or "")
    values: Sequence[str] = expression.get("values") or ()
    operator = expression.get("operator")
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    try:
        number, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return number > bound if operator == "Gt" else number < bound
