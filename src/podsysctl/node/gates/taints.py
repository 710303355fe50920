"""Whether the pod tolerates the node's NoExecute taints; NoSchedule ones are the scheduler's (predicate.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.node import pod as pods
from podsysctl.node.gates.verdict import NodeView, Rejection


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """Refuse for an untolerated NoExecute taint."""
    tolerations = pods.spec(pod).get("tolerations") or ()
    for taint in view.taints:
        if taint.get("effect") == "NoExecute" and not any(tolerates(t, taint) for t in tolerations):
            text = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
            return Rejection("TaintToleration", text)
    return None


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Whether one toleration covers one taint (core/v1 Toleration.ToleratesTaint)."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if (toleration.get("operator") or "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
