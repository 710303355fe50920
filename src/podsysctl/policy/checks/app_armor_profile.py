"""AppArmor profiles may not be switched off.

Fields: securityContext.appArmorProfile.type of pod and containers (RuntimeDefault, Localhost), and the annotations
container.apparmor.security.beta.kubernetes.io/* (empty, runtime/default, localhost/*).
Source: pod-security-admission policy/check_appArmorProfile.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects.quote import quote
from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, containers_phrase
from podsysctl.policy.pod_view import PodView
from podsysctl.policy.wording import join_quoted, plural

_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_TYPES = ("RuntimeDefault", "Localhost")


def since_1_0(pod: PodView) -> Violation | None:
    """Only the runtime's default or a profile of the node."""
    bad_values: set[str] = set()
    setters = ["pod"] if _is_bad(pod.security, bad_values) else []
    bad = [c.name for c in pod.containers if _is_bad(c.security, bad_values)]
    if bad:
        setters.append(containers_phrase(bad))
    annotations = sorted(
        f"{key}={quote(value)}"
        for key, value in pod.annotations.items()
        if key.startswith(_ANNOTATION) and not _is_allowed_annotation(value)
    )
    values = sorted(bad_values) + annotations
    if annotations:
        setters.append(plural("annotation", "annotations", len(annotations)))
    if not setters:
        return None
    return Violation(
        plural("forbidden AppArmor profile", "forbidden AppArmor profiles", len(values)),
        f"{' and '.join(setters)} must not set AppArmor profile type to {join_quoted(values)}",
    )


def _is_bad(security: Mapping[str, Any], bad_values: set[str]) -> bool:
    profile = security.get("appArmorProfile")
    if profile is None or profile.get("type") in _TYPES:
        return False
    bad_values.add(profile.get("type") or "")
    return True


def _is_allowed_annotation(value: str) -> bool:
    return value in ("", "runtime/default") or value.startswith("localhost/")


CHECK = Check("appArmorProfile", BASELINE, (CheckVersion(0, since_1_0),))
