"""How the writes of each kind may be made: PUT that creates, PUT without a version, DELETE with a grace.

What a write does to the object itself is decided in `objects/strategy` and, for custom kinds, in
`customresource.py`. Source: Kubernetes 1.36 `pkg/registry/<group>/<kind>/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.objects.kinds import Kind

_TERMINAL = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class KindRules:
    """`grace_period_s(obj, requested)` says how long an object lives on after DELETE; None: not at all."""

    create_on_update: bool = False
    unconditional_update: bool = True
    grace_period_s: Callable[[Mapping[str, Any], int | None], int] | None = None


def pod_grace_period_s(pod: Mapping[str, Any], requested: int | None) -> int:
    """Seconds between DELETE and the end of a pod: none when nobody runs it (any more)."""
    spec, state = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or state.get("phase") in _TERMINAL:
        return 0
    period = spec.get("terminationGracePeriodSeconds", 30) if requested is None else requested
    return 1 if period is None or period < 0 else int(period)


_MADE_BY_PUT = KindRules(create_on_update=True)
_BY_RESOURCE = {
    "/pods": KindRules(grace_period_s=pod_grace_period_s),
    "/services": _MADE_BY_PUT,
    "/events": _MADE_BY_PUT,
    "events.k8s.io/events": _MADE_BY_PUT,
    "coordination.k8s.io/leases": KindRules(create_on_update=True, unconditional_update=False),
    "policy/poddisruptionbudgets": KindRules(unconditional_update=False),
    "rbac.authorization.k8s.io/roles": _MADE_BY_PUT,
    "rbac.authorization.k8s.io/clusterroles": _MADE_BY_PUT,
    "rbac.authorization.k8s.io/rolebindings": _MADE_BY_PUT,
    "rbac.authorization.k8s.io/clusterrolebindings": _MADE_BY_PUT,
    "apiextensions.k8s.io/customresourcedefinitions": KindRules(unconditional_update=False),
}
_GENERAL = KindRules()
CUSTOM = KindRules(unconditional_update=False)
"""Of every custom kind."""


def rules_of(kind: Kind) -> KindRules:
    """The rules of a built-in kind."""
    return _BY_RESOURCE.get(f"{kind.group}/{kind.plural}", _GENERAL)
