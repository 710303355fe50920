"""No container may ask for user 0.

Field: securityContext.runAsUser of pod and containers. Allowed: not 0, absent; anything from 1.35 on in a pod with
a user namespace of its own.
Source: pod-security-admission policy/check_runAsUser.go.
"""

from __future__ import annotations

from podsysctl.policy.check import RESTRICTED, Check, CheckVersion, Violation, setters_phrase
from podsysctl.policy.pod_view import PodView


def since_1_23(pod: PodView) -> Violation | None:
    """User 0 is refused wherever it is written."""
    pod_is_root = pod.security.get("runAsUser") == 0
    bad = [c.name for c in pod.containers if c.security.get("runAsUser") == 0]
    if not pod_is_root and not bad:
        return None
    return Violation("runAsUser=0", f"{setters_phrase(pod_is_root, bad)} must not set runAsUser=0")


def since_1_35(pod: PodView) -> Violation | None:
    """Root inside a user namespace is nobody outside."""
    return None if pod.has_user_namespace else since_1_23(pod)


CHECK = Check("runAsUser", RESTRICTED, (CheckVersion(23, since_1_23), CheckVersion(35, since_1_35)))
