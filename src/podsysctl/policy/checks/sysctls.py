"""Only sysctls of the safe set may be set; names are compared as written, in dot form.

Field: spec.securityContext.sysctls[*].name. The kernel of the node plays no part here. The
names themselves are rows of `sysctls/catalogue/safe.toml`.
Source: pod-security-admission policy/check_sysctls.go (1.37 for the last row).
"""

from __future__ import annotations

from podsysctl.base.versions import ClusterVersion
from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation
from podsysctl.policy.pod_view import PodView
from podsysctl.sysctls import safe

_CLASSIC, _1_27, _1_29, _1_32, _1_37 = (
    safe.pod_security_safe(ClusterVersion(1, minor)) for minor in (0, 27, 29, 32, 37)
)


def since_1_0(pod: PodView) -> Violation | None:
    """The five classic names."""
    return _evaluate(pod, _CLASSIC)


def since_1_27(pod: PodView) -> Violation | None:
    """Reserved ports joined."""
    return _evaluate(pod, _1_27)


def since_1_29(pod: PodView) -> Violation | None:
    """The TCP keepalive names and the FIN timeout joined."""
    return _evaluate(pod, _1_29)


def since_1_32(pod: PodView) -> Violation | None:
    """The TCP buffer sizes joined."""
    return _evaluate(pod, _1_32)


def since_1_37(pod: PodView) -> Violation | None:
    """Slow start after idle and the low-water mark of unsent data joined."""
    return _evaluate(pod, _1_37)


def _evaluate(pod: PodView, allowed: frozenset[str]) -> Violation | None:
    sysctls = pod.security.get("sysctls")
    if not sysctls:
        return None
    forbidden = [s.get("name") or "" for s in sysctls if s.get("name") not in allowed]
    return Violation("forbidden sysctls", ", ".join(forbidden)) if forbidden else None


CHECK = Check(
    "sysctls",
    BASELINE,
    (
        CheckVersion(0, since_1_0),
        CheckVersion(27, since_1_27),
        CheckVersion(29, since_1_29),
        CheckVersion(32, since_1_32),
        CheckVersion(37, since_1_37),
    ),
)
