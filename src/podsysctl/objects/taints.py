"""Taints and tolerations: which taints of a node a pod puts up with, and for how long.

Used by the scheduler, the eviction of pods from tainted nodes and DaemonSets.
Source: Kubernetes 1.36 `api/core/v1/toleration.go`, `component-helpers/scheduling/corev1/helpers.go`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

NO_SCHEDULE = "NoSchedule"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
NO_EXECUTE = "NoExecute"

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
PRESSURES = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
"""Node conditions that are shown as NoSchedule taints while they are True."""

_Entry = Mapping[str, Any]


def tolerates(toleration: _Entry, taint: _Entry) -> bool:
    """Whether one toleration covers one taint; an absent key or effect covers all."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and (toleration.get("value") or "") == (taint.get("value") or "")


def first_untolerated(
    taints: Iterable[_Entry] | None, tolerations: Collection[_Entry] | None, effects: Collection[str]
) -> _Entry | None:
    """The first taint of these effects that no toleration covers."""
    covering = tolerations or ()
    for taint in taints or ():
        if taint.get("effect") in effects and not any(tolerates(entry, taint) for entry in covering):
            return taint
    return None


def seconds_tolerated(taints: Iterable[_Entry] | None, tolerations: Collection[_Entry] | None) -> float | None:
    """How long a pod may stay on a node with these NoExecute taints: 0 not at all, None for ever.

    Every taint must be tolerated; of the limits given the smallest counts.
    """
    limits: list[float] = []
    covering = tolerations or ()
    for taint in taints or ():
        if taint.get("effect") != NO_EXECUTE:
            continue
        used = [entry for entry in covering if tolerates(entry, taint)]
        if not used:
            return 0.0
        limits += [
            max(0.0, float(entry["tolerationSeconds"])) for entry in used if entry.get("tolerationSeconds") is not None
        ]
    return min(limits) if limits else None
