"""What a node refuses before it starts a pod, besides sysctls: each gate one file, tried in the kubelet's order.

The predicates in the order of predicate.go (kubelet, 1.36), then AppArmor. A gate is a pure function of the pod and of
what the node knows; the agent asks them of each pod that is bound to it, `explain` of pods that are not there yet.
Before them stands whether sysctls are allowed (`node/gates`).
"""

from __future__ import annotations

from collections.abc import Callable

from podsysctl.policy.admission import (
    affinity,
    app_armor,
    groups_policy,
    operating_system,
    ports,
    resources,
    taints,
)
from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling.podinfo import PodInfo

Gate = Callable[[PodInfo, NodeView], Rejection | None]

GATES: tuple[Gate, ...] = (
    operating_system.admit,
    groups_policy.admit,
    resources.admit,
    affinity.admit,
    ports.admit,
    taints.admit,
    app_armor.admit,
)


def admit(pod: PodInfo, view: NodeView) -> Rejection | None:
    """The first gate's refusal, or None when the pod may start."""
    for gate in GATES:
        rejection = gate(pod, view)
        if rejection is not None:
            return rejection
    return None
