"""Containers must say that they do not run as root.

Field: securityContext.runAsNonRoot of pod and containers. Allowed: true; absent in a container when the pod says
true; anything from 1.35 on in a pod with a user namespace of its own.
Source: pod-security-admission policy/check_runAsNonRoot.go.
"""

from __future__ import annotations

from podsysctl.policy.check import RESTRICTED, Check, CheckVersion, Violation, containers_phrase, setters_phrase
from podsysctl.policy.pod_view import PodView

_REASON = "runAsNonRoot != true"


def since_1_0(pod: PodView) -> Violation | None:
    """An explicit false is reported first, then containers that nobody covers."""
    of_pod = pod.security.get("runAsNonRoot")
    explicit: list[str] = []
    implicit: list[str] = []
    for name, security, _ in pod.containers:
        value = security.get("runAsNonRoot")
        if value is None:
            if not of_pod:
                implicit.append(name)
        elif not value:
            explicit.append(name)
    if of_pod is False or explicit:
        setters = setters_phrase(of_pod is False, explicit)
        return Violation(_REASON, f"{setters} must not set securityContext.runAsNonRoot=false")
    if implicit:
        return Violation(_REASON, f"pod or {containers_phrase(implicit)} must set securityContext.runAsNonRoot=true")
    return None


def since_1_35(pod: PodView) -> Violation | None:
    """Root inside a user namespace is nobody outside."""
    return None if pod.has_user_namespace else since_1_0(pod)


CHECK = Check("runAsNonRoot", RESTRICTED, (CheckVersion(0, since_1_0), CheckVersion(35, since_1_35)))
