"""How well a node suits a pod's sysctls: a preference for the scheduler, never a filter.

A pod that no node accepts is still placed, and ends as SysctlForbidden, as Kubernetes has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.policy import node_gates
from podsysctl.policy.node_facts import NodeFacts

MAX_SCORE = 100
_UNKNOWN_SHARE = 0.5
"""What a sysctl counts of which the node says nothing: better than a refusal, worse than a yes."""


def score(pod: Mapping[str, Any], node: Mapping[str, Any] | NodeFacts) -> int:
    """From 0 (the node accepts none of the pod's sysctls) to 100 (all, or the pod has none).

    `node` is a Node object or what was read of one; reading costs about a millisecond, so a scheduler keeps it per
    resourceVersion.
    """
    sysctls = ((pod.get("spec") or {}).get("securityContext") or {}).get("sysctls")
    if not sysctls:
        return MAX_SCORE
    facts = node if isinstance(node, NodeFacts) else NodeFacts.from_node(node)
    reports = node_gates.evaluate(pod, facts)
    shares = [_UNKNOWN_SHARE if r.accepted is None else float(r.accepted) for r in reports]
    return round(MAX_SCORE * sum(shares) / len(shares)) if shares else MAX_SCORE
