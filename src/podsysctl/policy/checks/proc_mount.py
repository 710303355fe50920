"""The masks over /proc may not be lifted.

Field: securityContext.procMount of all containers. Allowed: Default, absent; anything from 1.35 on in a pod with
a user namespace of its own (hostUsers: false).
Source: pod-security-admission policy/check_procMount_baseline.go.
"""

from __future__ import annotations

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, containers_phrase, quoted_set
from podsysctl.policy.pod_view import PodView


def since_1_0(pod: PodView) -> Violation | None:
    """Only Default, whoever asks."""
    bad: list[str] = []
    values: set[str] = set()
    for name, security, _ in pod.containers:
        value = security.get("procMount")
        if value is not None and value != "Default":
            bad.append(name)
            values.add(value)
    if not bad:
        return None
    return Violation(
        "procMount", f"{containers_phrase(bad)} must not set securityContext.procMount to {quoted_set(values)}"
    )


def since_1_35(pod: PodView) -> Violation | None:
    """A pod with its own user namespace may see all of /proc."""
    return None if pod.has_user_namespace else since_1_0(pod)


CHECK = Check("procMount", BASELINE, (CheckVersion(0, since_1_0), CheckVersion(35, since_1_35)))
