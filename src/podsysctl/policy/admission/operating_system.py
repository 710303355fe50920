"""Whether the pod asks for another operating system than Linux (lifecycle/predicate.go)."""

from __future__ import annotations

from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling.podinfo import PodInfo

LABEL = "kubernetes.io/os"
OS = "linux"


def admit(pod: PodInfo, _: NodeView) -> Rejection | None:
    """Refuse by the pod's own label first, which the kubelet compares with what it runs on, then by `spec.os`."""
    if pod.labels.get(LABEL, OS) != OS:
        text = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        return Rejection("PodOSSelectorNodeLabelDoesNotMatch", text)
    named = (pod.spec.get("os") or {}).get("name")
    if named is not None and named != OS:
        return Rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None
