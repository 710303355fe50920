"""Admission of pods by the node: each gate one file, tried in the kubelet's order; the first refusal counts.

The order of the kubelet (kubelet.go, 1.36): sysctl, the predicates in the order of predicate.go, AppArmor. A gate is a
pure function of the pod and of what the node knows.
"""

from __future__ import annotations

from collections.abc import Callable

from podsysctl.node import pod as pods
from podsysctl.node.gates import (
    affinity,
    app_armor,
    groups_policy,
    operating_system,
    ports,
    resources,
    sysctl,
    taints,
)
from podsysctl.node.gates.verdict import NodeView, Rejection

Gate = Callable[[pods.Pod, NodeView], Rejection | None]

GATES: tuple[Gate, ...] = (
    sysctl.admit,
    operating_system.admit,
    groups_policy.admit,
    resources.admit,
    affinity.admit,
    ports.admit,
    taints.admit,
    app_armor.admit,
)


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """The first gate's refusal, or None when the pod may start."""
    for gate in GATES:
        rejection = gate(pod, view)
        if rejection is not None:
            return rejection
    return None
