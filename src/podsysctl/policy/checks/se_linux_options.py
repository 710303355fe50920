"""SELinux types are limited, and user and role may not be set.

Fields: securityContext.seLinuxOptions.{type,user,role} of pod and containers.
Source: pod-security-admission policy/check_seLinuxOptions.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, quoted_set, setters_phrase
from podsysctl.policy.pod_view import PodView
from podsysctl.policy.wording import plural

_TYPES_1_0 = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_TYPES_1_31 = _TYPES_1_0 | {"container_engine_t"}


def since_1_0(pod: PodView) -> Violation | None:
    """Three types are known."""
    return _evaluate(pod, _TYPES_1_0)


def since_1_31(pod: PodView) -> Violation | None:
    """container_engine_t joined."""
    return _evaluate(pod, _TYPES_1_31)


def _evaluate(pod: PodView, allowed: frozenset[str]) -> Violation | None:
    bad_options: list[Mapping[str, Any]] = []
    of_pod = pod.security.get("seLinuxOptions")
    pod_is_bad = of_pod is not None and _is_bad(of_pod, allowed)
    if of_pod is not None and pod_is_bad:
        bad_options.append(of_pod)
    containers: list[str] = []
    for name, security, _ in pod.containers:
        options = security.get("seLinuxOptions")
        if options is not None and _is_bad(options, allowed):
            containers.append(name)
            bad_options.append(options)
    if not bad_options:
        return None
    types = {o.get("type") or "" for o in bad_options} - allowed
    data = [f"{plural('type', 'types', len(types))} {quoted_set(types)}"] if types else []
    if any(o.get("user") for o in bad_options):
        data.append("user may not be set")
    if any(o.get("role") for o in bad_options):
        data.append("role may not be set")
    setters = setters_phrase(pod_is_bad, containers)
    return Violation("seLinuxOptions", f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}")


def _is_bad(options: Mapping[str, Any], allowed: frozenset[str]) -> bool:
    return (options.get("type") or "") not in allowed or bool(options.get("user") or options.get("role"))


CHECK = Check("seLinuxOptions", BASELINE, (CheckVersion(0, since_1_0), CheckVersion(31, since_1_31)))
