"""No capability beyond the default set may be added.

Fields: securityContext.capabilities.add of all containers, compared in their exact spelling.
Source: pod-security-admission policy/check_capabilities_baseline.go.
"""

from __future__ import annotations

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, containers_phrase, quoted_set
from podsysctl.policy.pod_view import PodView

_DEFAULT = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)


def since_1_0(pod: PodView) -> Violation | None:
    """Only capabilities of the default set may be added."""
    bad: list[str] = []
    forbidden: set[str] = set()
    for name, security, _ in pod.containers:
        capabilities = security.get("capabilities")
        added = capabilities.get("add") if capabilities else None
        if added and not _DEFAULT.issuperset(added):
            bad.append(name)
            forbidden.update(c for c in added if c not in _DEFAULT)
    if not bad:
        return None
    return Violation(
        "non-default capabilities",
        f"{containers_phrase(bad)} must not include {quoted_set(forbidden)} in securityContext.capabilities.add",
    )


CHECK = Check("capabilities_baseline", BASELINE, (CheckVersion(0, since_1_0),))
