"""Only nodes that the pod may not choose accept it: it tolerates their taint, and chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.policy.remedy import Remedy, with_pod
from podsysctl.policy.scheduling import filters
from podsysctl.policy.situation import Situation
from podsysctl.policy.whole import Report

_ROLE = "node-role.kubernetes.io/"
_CONTROL_PLANE = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")
_CONDITIONS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""What the cluster itself says of a node that is not well: nothing to tolerate."""


def propose(situation: Situation, report: Report) -> Remedy | None:
    """Steer the pod to nodes that accept its sysctls."""
    if any(verdict.stops for verdict in report.admission):
        return None
    accepting = [entry.node for entry in report.nodes if entry.accepts and entry.scheduling.reason == filters.TAINTS]
    for node in accepting:
        taints = [t for t in node.facts.taints if t.get("effect") in ("NoSchedule", "NoExecute")]
        keys = [str(taint.get("key") or "") for taint in taints]
        if not taints or node.unschedulable or any(key.startswith((*_CONTROL_PLANE, *_CONDITIONS)) for key in keys):
            continue

        def change(pod: dict[str, Any], taints: list[Mapping[str, Any]] = taints, pool: str = node.pool) -> None:
            spec = pod["spec"]
            spec["tolerations"] = [*(spec.get("tolerations") or ()), *(_toleration(t) for t in taints)]
            if pool:
                spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), f"{_ROLE}{pool}": ""}

        shown = ", ".join(f"{t.get('key')}:{t.get('effect')}" for t in taints)
        title = f"Let the pod run on the nodes that accept it: tolerate {shown}"
        return Remedy(title, with_pod(situation, change), opens=("nothing",))
    return None


def _toleration(taint: Mapping[str, Any]) -> dict[str, Any]:
    out = {"key": taint.get("key"), "operator": "Exists", "effect": taint.get("effect")}
    if taint.get("value"):
        out |= {"operator": "Equal", "value": taint["value"]}
    return out
