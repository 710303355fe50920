"""Pods: how long they live on after DELETE. What writes do to them is decided in `objects/strategy/pods.py`.

Source: Kubernetes 1.36 `pkg/registry/core/pod/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.apiserver.strategy.base import Object, Strategy
from podsysctl.objects import warnings as sentences
from podsysctl.objects.strategy import pods

_TERMINAL = ("Succeeded", "Failed")


def grace_period_s(obj: Mapping[str, Any], requested: int | None) -> int:
    """Seconds between DELETE and the end: none for pods that nobody runs (any more)."""
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    period = requested
    if period is None:
        period = spec.get("terminationGracePeriodSeconds")
        period = 30 if period is None else int(period)
    if not spec.get("nodeName") or state.get("phase") in _TERMINAL:
        return 0
    return 1 if period < 0 else period


def warnings(obj: Object, old: Object | None) -> list[str]:
    """New pods are warned about; updates of pods are silent."""
    return sentences.pod_warnings(obj) if old is None else []


STRATEGY = Strategy(
    warnings=warnings,
    has_status=True,
    has_generation=True,
    prepare_create=pods.prepare_create,
    prepare_update=pods.prepare_update,
    prepare_status=pods.prepare_status_update,
    grace_period_s=grace_period_s,
)
prepare_ephemeral = pods.prepare_ephemeral_update
