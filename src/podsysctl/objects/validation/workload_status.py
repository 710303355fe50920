"""Rules of the status of workloads: counts that are not negative and fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects.validation.fields import Errors, invalid
from podsysctl.objects.validation.meta import validate_update_metadata
from podsysctl.objects.validation.numbers import validate_not_negative

Object = Mapping[str, Any]

_COUNTS = {
    "Deployment": (
        "observedGeneration replicas updatedReplicas readyReplicas availableReplicas unavailableReplicas "
        "terminatingReplicas collisionCount"
    ),
    "ReplicaSet": (
        "replicas fullyLabeledReplicas readyReplicas availableReplicas observedGeneration terminatingReplicas"
    ),
    "DaemonSet": (
        "currentNumberScheduled numberMisscheduled desiredNumberScheduled numberReady observedGeneration "
        "updatedNumberScheduled numberAvailable numberUnavailable collisionCount"
    ),
    "StatefulSet": (
        "replicas readyReplicas currentReplicas updatedReplicas availableReplicas observedGeneration collisionCount"
    ),
}
_WITHIN = {
    "Deployment": ("updatedReplicas", "readyReplicas", "availableReplicas"),
    "ReplicaSet": ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
    "DaemonSet": (),
    "StatefulSet": ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"),
}


def validate_status(what: str, new: Object, old: Object, errors: Errors) -> None:
    """The status of a workload kind in an update of it."""
    status, old_status = new.get("status") or {}, old.get("status") or {}
    if what != "StatefulSet":
        validate_update_metadata(new, old, errors)
    for key in _COUNTS[what].split():
        validate_not_negative(status, key, errors, "status")
    total = status.get("replicas") or 0
    for key in _WITHIN[what]:
        value = status.get(key) or 0
        if value > total:
            errors.append(invalid(f"status.{key}", value, "cannot be greater than status.replicas"))
    available, ready = status.get("availableReplicas") or 0, status.get("readyReplicas") or 0
    if _WITHIN[what] and available > ready:
        name = "status.readyReplicas" if what == "StatefulSet" else "readyReplicas"
        errors.append(invalid("status.availableReplicas", available, f"cannot be greater than {name}"))
    if what == "StatefulSet":
        validate_update_metadata(new, old, errors)
    before = old_status.get("collisionCount")
    if what != "ReplicaSet" and before is not None and (status.get("collisionCount") or 0) < before:
        errors.append(invalid("status.collisionCount", status.get("collisionCount") or 0, "cannot be decremented"))
