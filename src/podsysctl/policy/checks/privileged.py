"""Privileged containers are forbidden.

Field: securityContext.privileged of all containers. Allowed: false, absent.
Source: pod-security-admission policy/check_privileged.go.
"""

from __future__ import annotations

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, containers_phrase
from podsysctl.policy.pod_view import PodView


def since_1_0(pod: PodView) -> Violation | None:
    """No container may be privileged."""
    bad = [c.name for c in pod.containers if c.security.get("privileged")]
    if not bad:
        return None
    return Violation("privileged", f"{containers_phrase(bad)} must not set securityContext.privileged=true")


CHECK = Check("privileged", BASELINE, (CheckVersion(0, since_1_0),))
