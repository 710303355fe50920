"""How well a node suits a pod's sysctls: a preference for the scheduler, never a filter.

A pod that no node accepts is still placed, and ends as SysctlForbidden, as Kubernetes has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.policy import node_gates
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.verdict import Gate, Outcome

ACCEPTED, LIKELY, UNKNOWN, REFUSED = 100, 75, 50, 0
MAX_SCORE = ACCEPTED


def score(pod: Mapping[str, Any], node: Mapping[str, Any] | NodeFacts) -> int:
    """100 when the pod runs on the node with all its sysctls, or has none; 0 when the node refuses one of them.

    75 when the kubelet allows all but the kernel is unknown, 50 when the allowlist is. One refusal is as bad as many:
    the pod does not run. `node` is a Node object or what was read of one.
    """
    sysctls = ((pod.get("spec") or {}).get("securityContext") or {}).get("sysctls")
    if not sysctls:
        return ACCEPTED
    facts = node if isinstance(node, NodeFacts) else NodeFacts.from_node(node)
    reports = node_gates.evaluate(pod, facts)
    if any(report.accepted is False for report in reports):
        return REFUSED
    unknown = {v.gate for report in reports for v in report.verdicts if v.outcome is Outcome.UNKNOWN}
    if not unknown:
        return ACCEPTED
    return UNKNOWN if Gate.KUBELET in unknown else LIKELY
