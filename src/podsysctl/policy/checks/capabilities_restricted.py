"""Containers must drop ALL capabilities and may add only NET_BIND_SERVICE.

Fields: securityContext.capabilities.{drop,add} of all containers.
Source: pod-security-admission policy/check_capabilities_restricted.go.
"""

from __future__ import annotations

from podsysctl.policy.check import RESTRICTED, Check, CheckVersion, Violation, containers_phrase, quoted_set
from podsysctl.policy.pod_view import EMPTY, PodView


def since_1_22(pod: PodView) -> Violation | None:
    """Drop must hold ALL, add may hold NET_BIND_SERVICE."""
    missing: list[str] = []
    adding: list[str] = []
    forbidden: set[str] = set()
    for name, security, _ in pod.containers:
        capabilities = security.get("capabilities") or EMPTY
        if "ALL" not in (capabilities.get("drop") or ()):
            missing.append(name)
        bad = [c for c in capabilities.get("add") or () if c != "NET_BIND_SERVICE"]
        if bad:
            adding.append(name)
            forbidden.update(bad)
    details = []
    if missing:
        details.append(f'{containers_phrase(missing)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(
            f"{containers_phrase(adding)} must not include {quoted_set(forbidden)} in securityContext.capabilities.add"
        )
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def since_1_25(pod: PodView) -> Violation | None:
    """Windows pods cannot set capabilities, so they are exempt."""
    return None if pod.is_windows else since_1_22(pod)


_OVERRIDES = ("capabilities_baseline",)
CHECK = Check(
    "capabilities_restricted",
    RESTRICTED,
    (CheckVersion(22, since_1_22, _OVERRIDES), CheckVersion(25, since_1_25, _OVERRIDES)),
)
