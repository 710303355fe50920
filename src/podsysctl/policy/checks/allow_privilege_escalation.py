"""Privilege escalation must be off in every container.

Fields: securityContext.allowPrivilegeEscalation of all containers. Allowed: false.
Source: pod-security-admission policy/check_allowPrivilegeEscalation.go.
"""

from __future__ import annotations

from podsysctl.policy.check import RESTRICTED, Check, CheckVersion, Violation, containers_phrase
from podsysctl.policy.pod_view import PodView


def since_1_8(pod: PodView) -> Violation | None:
    """The field must be false; absent means true."""
    bad = [c.name for c in pod.containers if c.security.get("allowPrivilegeEscalation") is not False]
    if not bad:
        return None
    return Violation(
        "allowPrivilegeEscalation != false",
        f"{containers_phrase(bad)} must set securityContext.allowPrivilegeEscalation=false",
    )


def since_1_25(pod: PodView) -> Violation | None:
    """Windows pods cannot set the field, so they are exempt."""
    return None if pod.is_windows else since_1_8(pod)


CHECK = Check("allowPrivilegeEscalation", RESTRICTED, (CheckVersion(8, since_1_8), CheckVersion(25, since_1_25)))
