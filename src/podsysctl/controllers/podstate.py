"""What controllers ask of a pod: is it alive, ready, available, and which of several goes first.

Source: Kubernetes 1.36 `pkg/api/v1/pod/util.go`, `pkg/controller/controller_utils.go`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podsysctl.base.clock import parse_time
from podsysctl.controllers import conditions
from podsysctl.controllers.scope import Object, annotations_of, is_deleting

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def status_of(pod: Object) -> Object:
    """The pod's status, possibly empty."""
    return pod.get("status") or {}


def phase(pod: Object) -> str:
    """The pod's phase."""
    return str(status_of(pod).get("phase") or "Pending")


def is_finished(pod: Object) -> bool:
    """Whether it succeeded or failed."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether it counts as a replica: neither finished nor being deleted."""
    return not is_finished(pod) and not is_deleting(pod)


def is_ready(pod: Object) -> bool:
    """Whether its Ready condition is True."""
    return conditions.is_true(status_of(pod), "Ready")


def ready_since(pod: Object) -> datetime | None:
    """Since when it has been ready."""
    found = conditions.find(status_of(pod), "Ready")
    if found is None or found.get("status") != "True" or not found.get("lastTransitionTime"):
        return None
    return parse_time(found["lastTransitionTime"])


def is_available(pod: Object, min_ready_s: int, now: datetime) -> bool:
    """Whether it has been ready for long enough."""
    return is_ready(pod) and available_in_s(pod, min_ready_s, now) <= 0


def available_in_s(pod: Object, min_ready_s: int, now: datetime) -> float:
    """Seconds until a ready pod counts as available; 0 when it does."""
    if not min_ready_s:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return float(min_ready_s)
    return max(0.0, (since - now).total_seconds() + min_ready_s)


def restarts(pod: Object) -> int:
    """The highest restart count of its containers."""
    return max((int(c.get("restartCount") or 0) for c in status_of(pod).get("containerStatuses") or ()), default=0)


def deletion_order(pod: Object, neighbours: int) -> tuple[Any, ...]:
    """Sorts pods of a set: the first are the first to go when there are too many.

    `neighbours` is how many ready pods of the same set share its node.
    """
    ready = is_ready(pod)
    since = ready_since(pod)
    created = pod["metadata"].get("creationTimestamp") or ""
    return (
        bool((pod.get("spec") or {}).get("nodeName")),
        _PHASES.get(phase(pod), 0),
        ready,
        _deletion_cost(pod),
        -neighbours,
        -(since.timestamp() if ready and since else 0.0),
        -restarts(pod),
        _newest_first(created),
        pod["metadata"].get("uid", ""),
    )


def _deletion_cost(pod: Object) -> int:
    text = annotations_of(pod).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def _newest_first(created: str) -> float:
    return -parse_time(created).timestamp() if created else float("-inf")
