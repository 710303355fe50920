"""What a node's annotations, taints and conditions say of its configuration."""

from __future__ import annotations

from typing import Any

from podsysctl.objects import machineconfig as names

Object = dict[str, Any]

_TROUBLES = ("DiskPressure", "NetworkUnavailable")


def is_done(node: Object) -> bool:
    """It runs what it was told to run."""
    current, desired = names.annotation(node, names.CURRENT_CONFIG), names.annotation(node, names.DESIRED_CONFIG)
    return bool(current) and current == desired and names.annotation(node, names.STATE) == names.DONE


def is_updated(node: Object, config: str) -> bool:
    """It runs this rendered configuration."""
    return is_done(node) and names.annotation(node, names.CURRENT_CONFIG) == config


def is_degraded(node: Object) -> bool:
    """It reported that it could not change."""
    return names.annotation(node, names.STATE) in (names.DEGRADED, names.UNRECONCILABLE)


def is_ready(node: Object) -> bool:
    """Ready, without disk or network trouble, and schedulable."""
    if node.get("spec", {}).get("unschedulable", False):
        return False
    ready = False
    for condition in node.get("status", {}).get("conditions") or ():
        type, status = condition["type"], condition["status"]
        if type == "Ready":
            ready = status == "True"
        elif type in _TROUBLES and status != "False":
            return False
    return ready


def is_unavailable(node: Object) -> bool:
    """Not ready, cordoned, or in the middle of a change that has not failed."""
    return not is_ready(node) or (not is_done(node) and not is_degraded(node))
