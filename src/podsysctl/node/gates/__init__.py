"""Admission of pods by the node, in the kubelet's order: the first refusal counts.

The order of the kubelet (kubelet.go, 1.36): sysctl, then what `policy/admission` decides.
"""

from __future__ import annotations

from podsysctl.node import pod as pods
from podsysctl.node.gates import sysctl
from podsysctl.policy import admission
from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling.podinfo import PodInfo


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """The first gate's refusal, or None when the pod may start."""
    return sysctl.admit(pod, view) or admission.admit(PodInfo(pod), view)
