"""Admission of pods by the node: each gate one file, tried in the kubelet's order; the first refusal counts.

The order of the kubelet (kubelet.go, 1.36): sysctl, then the predicates in the order of predicate.go. A gate is a
pure function of the pod and of what the node knows.
"""

from __future__ import annotations

from collections.abc import Callable

from podsysctl.node import pod as pods
from podsysctl.node.gates import affinity, operating_system, ports, resources, sysctl, taints
from podsysctl.node.gates.verdict import NodeView, Rejection

Gate = Callable[[pods.Pod, NodeView], Rejection | None]

GATES: tuple[Gate, ...] = (
    sysctl.admit,
    operating_system.admit,
    resources.admit,
    affinity.admit,
    ports.admit,
    taints.admit,
)


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """The first gate's refusal, or None when the pod may start."""
    for gate in GATES:
        rejection = gate(pod, view)
        if rejection is not None:
            return rejection
    return None
