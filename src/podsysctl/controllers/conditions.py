"""Conditions in a status: found, set and removed as upstream's controllers do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]


def find(status: Object, type: str) -> Object | None:
    """The condition of a type."""
    for entry in status.get("conditions") or ():
        if entry.get("type") == type:
            found: Object = entry
            return found
    return None


def is_true(status: Object, type: str) -> bool:
    """Whether a condition is True."""
    found = find(status, type)
    return found is not None and found.get("status") == "True"


def put(status: Object, condition: Object, *, keyed_by_reason: bool = False) -> bool:
    """Set a condition, at the end of the list; the transition time is kept while its status stays.

    With `keyed_by_reason` a condition of the same status and reason is left as it is (Deployments). Returns
    whether anything changed.
    """
    current = find(status, condition["type"])
    if current is not None and current.get("status") == condition["status"]:
        if keyed_by_reason and current.get("reason") == condition.get("reason"):
            return False
        if "lastTransitionTime" in current:
            condition = {**condition, "lastTransitionTime": current["lastTransitionTime"]}
        if current == condition:
            return False
    drop(status, condition["type"])
    status["conditions"] = [*(status.get("conditions") or ()), condition]
    return True


def drop(status: Object, type: str) -> None:
    """Remove a condition; an empty list is removed as well."""
    kept = [entry for entry in status.get("conditions") or () if entry.get("type") != type]
    if kept:
        status["conditions"] = kept
    else:
        status.pop("conditions", None)


def make(type: str, status: str, reason: str, message: str, now: str, **more: str) -> Object:
    """A condition of now."""
    return {
        "type": type,
        "status": status,
        **more,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def without_times(entries: Iterable[Object]) -> list[Object]:
    """Conditions without the times that alone are no news."""
    gone = ("lastTransitionTime", "lastUpdateTime", "lastProbeTime", "lastHeartbeatTime")
    return [{key: value for key, value in entry.items() if key not in gone} for entry in entries]
