"""A seccomp profile must be given: the runtime's default or one of the node.

Field: securityContext.seccompProfile.type of pod and containers. A container without one inherits the pod's.
Source: pod-security-admission policy/check_seccompProfile_restricted.go.
"""

from __future__ import annotations

from podsysctl.policy.check import RESTRICTED, Check, CheckVersion, Violation, containers_phrase
from podsysctl.policy.checks import seccomp_profile_baseline as baseline
from podsysctl.policy.pod_view import PodView


def since_1_19(pod: PodView) -> Violation | None:
    """A bad profile is reported as at the baseline level, else the containers without one."""
    bad = baseline.since_1_19(pod)
    if bad is not None:
        return bad
    if pod.security.get("seccompProfile") is not None:
        return None
    missing = [c.name for c in pod.containers if c.security.get("seccompProfile") is None]
    if not missing:
        return None
    return Violation(
        "seccompProfile",
        f"pod or {containers_phrase(missing)} must set securityContext.seccompProfile.type"
        ' to "RuntimeDefault" or "Localhost"',
    )


def since_1_25(pod: PodView) -> Violation | None:
    """Windows pods cannot set a profile, so they are exempt."""
    return None if pod.is_windows else since_1_19(pod)


_OVERRIDES = ("seccompProfile_baseline",)
CHECK = Check(
    "seccompProfile_restricted",
    RESTRICTED,
    (CheckVersion(19, since_1_19, _OVERRIDES), CheckVersion(25, since_1_25, _OVERRIDES)),
)
