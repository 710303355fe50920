"""Whether the pod asks for another operating system than Linux (lifecycle/predicate.go)."""

from __future__ import annotations

from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling.podinfo import PodInfo

LABEL = "kubernetes.io/os"


def admit(pod: PodInfo, view: NodeView) -> Rejection | None:
    """Refuse by node selector first, then by `spec.os`."""
    wanted = (pod.spec.get("nodeSelector") or {}).get(LABEL)
    if wanted is not None and wanted != view.labels.get(LABEL, "linux"):
        text = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        return Rejection("PodOSSelectorNodeLabelDoesNotMatch", text)
    named = (pod.spec.get("os") or {}).get("name")
    if named is not None and named != "linux":
        return Rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None
