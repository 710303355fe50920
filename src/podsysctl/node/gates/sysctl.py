"""SysctlForbidden: whether this node's allowlist admits every sysctl of the pod. The only place that decides it."""

from __future__ import annotations

from podsysctl.node import pod as pods
from podsysctl.policy.admission.verdict import NodeView, Rejection

REASON = "SysctlForbidden"


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """Refuse the pod for its first sysctl that is not allowed (pkg/kubelet/sysctl/allowlist.go)."""
    message = view.allowlist.check(pod)
    return None if message is None else Rejection(REASON, message)
