"""A seccomp profile, when given, must be the runtime's default or one of the node.

Before 1.19 the annotations seccomp.security.alpha.kubernetes.io/pod and
container.seccomp.security.alpha.kubernetes.io/* (runtime/default, docker/default, localhost/*), from 1.19 on
securityContext.seccompProfile.type of pod and containers (RuntimeDefault, Localhost).
Source: pod-security-admission policy/check_seccompProfile_baseline.go.
"""

from __future__ import annotations

from podsysctl.objects.quote import quote
from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, quoted_set, setters_phrase
from podsysctl.policy.pod_view import PodView
from podsysctl.policy.wording import plural

POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"
TYPES = ("RuntimeDefault", "Localhost")


def since_1_0(pod: PodView) -> Violation | None:
    """The annotations of the alpha feature."""
    keys = [POD_ANNOTATION, *(CONTAINER_ANNOTATION + c.name for c in pod.containers)]
    forbidden = {
        f"{key}={quote(pod.annotations[key])}"
        for key in keys
        if key in pod.annotations and not _is_allowed_annotation(pod.annotations[key])
    }
    if not forbidden:
        return None
    noun = plural("annotation", "annotations", len(forbidden))
    return Violation("seccompProfile", f"forbidden {noun} {', '.join(sorted(forbidden))}")


def since_1_19(pod: PodView) -> Violation | None:
    """The fields of the finished feature."""
    values: set[str] = set()
    of_pod = pod.security.get("seccompProfile")
    pod_is_bad = of_pod is not None and of_pod.get("type") not in TYPES
    if of_pod is not None and pod_is_bad:
        values.add(of_pod.get("type") or "")
    containers: list[str] = []
    for name, security, _ in pod.containers:
        profile = security.get("seccompProfile")
        if profile is not None and profile.get("type") not in TYPES:
            containers.append(name)
            values.add(profile.get("type") or "")
    if not values:
        return None
    setters = setters_phrase(pod_is_bad, containers)
    return Violation(
        "seccompProfile", f"{setters} must not set securityContext.seccompProfile.type to {quoted_set(values)}"
    )


def _is_allowed_annotation(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


CHECK = Check("seccompProfile_baseline", BASELINE, (CheckVersion(0, since_1_0), CheckVersion(19, since_1_19)))
