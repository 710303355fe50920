"""The status of a Deployment: counts, Available, Progressing with its deadline, ReplicaFailure.

Source: Kubernetes 1.36 `pkg/controller/deployment/{progress,sync}.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from podsysctl.base.clock import format_time, parse_time
from podsysctl.controllers import conditions, rejections
from podsysctl.controllers.deployment import sizes
from podsysctl.controllers.scope import Object

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
NEW_SET_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
NO_DEADLINE = 2**31 - 1


def deadline_s(deployment: Object) -> int | None:
    """Seconds without progress after which it counts as stuck; None without a limit."""
    value = deployment["spec"].get("progressDeadlineSeconds")
    return None if value is None or int(value) == NO_DEADLINE else int(value)


def make(type: str, status: str, reason: str, message: str, now: datetime) -> Object:
    """A Deployment condition of now."""
    stamp = format_time(now)
    return conditions.make(type, status, reason, message, stamp, lastUpdateTime=stamp)


def calculate(deployment: Object, sets: Sequence[Object], new: Object | None, now: datetime) -> Object:
    """Counts and the Available condition; other conditions as they were."""
    available = sizes.counted(sets, "availableReplicas")
    status: Object = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": sizes.counted(sets, "replicas"),
        "updatedReplicas": sizes.counted([new] if new else [], "replicas"),
        "readyReplicas": sizes.counted(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sizes.total(sets) - available),
        "terminatingReplicas": sizes.counted(sets, "terminatingReplicas"),
    }
    status = {name: value for name, value in status.items() if value or name == "terminatingReplicas"}
    old = deployment.get("status") or {}
    if old.get("collisionCount") is not None:
        status["collisionCount"] = old["collisionCount"]
    if old.get("conditions"):
        status["conditions"] = list(old["conditions"])
    if available >= sizes.replicas(deployment) - sizes.max_unavailable(deployment):
        made = make(AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    else:
        text = "Deployment does not have minimum availability."
        made = make(AVAILABLE, "False", "MinimumReplicasUnavailable", text, now)
    conditions.put(status, made, keyed_by_reason=True)
    return status


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether every pod is of the new template and available."""
    desired = sizes.replicas(deployment)
    return (
        int(status.get("updatedReplicas") or 0) == desired
        and int(status.get("replicas") or 0) == desired
        and int(status.get("availableReplicas") or 0) == desired
        and int(status.get("observedGeneration") or 0) >= int(deployment["metadata"].get("generation") or 0)
    )


def _has_progressed(old: Object, new: Object) -> bool:
    def number(status: Object, name: str) -> int:
        return int(status.get(name) or 0)

    def outdated(status: Object) -> int:
        return number(status, "replicas") - number(status, "updatedReplicas")

    return (
        number(new, "updatedReplicas") > number(old, "updatedReplicas")
        or outdated(new) < outdated(old)
        or number(new, "readyReplicas") > number(old, "readyReplicas")
        or number(new, "availableReplicas") > number(old, "availableReplicas")
    )


def _has_timed_out(deployment: Object, status: Object, now: datetime) -> bool:
    condition, limit_s = conditions.find(status, PROGRESSING), deadline_s(deployment)
    if condition is None or limit_s is None or condition.get("reason") == NEW_SET_AVAILABLE:
        return False
    if condition.get("reason") == TIMED_OUT:
        return True
    since = parse_time(condition.get("lastUpdateTime") or condition["lastTransitionTime"])
    return (now - since).total_seconds() > limit_s


def rollout_status(deployment: Object, sets: Sequence[Object], new: Object | None, now: datetime) -> Object:
    """The whole status during a rollout."""
    status = calculate(deployment, sets, new, now)
    old = deployment.get("status") or {}
    current = conditions.find(old, PROGRESSING)
    if deadline_s(deployment) is None:
        conditions.drop(status, PROGRESSING)
    done = (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current.get("reason") == NEW_SET_AVAILABLE
    )
    if deadline_s(deployment) is not None and not done:
        _estimate(deployment, status, new, current, now)
    failure = _failure(sets, new)
    if failure is None:
        conditions.drop(status, FAILURE)
    else:
        plain = failure.get("reason") != rejections.REASON
        conditions.put(status, failure, keyed_by_reason=plain)
    return status


def _estimate(deployment: Object, status: Object, new: Object | None, current: Object | None, now: datetime) -> None:
    kind, name = ("ReplicaSet", new["metadata"]["name"]) if new else ("Deployment", deployment["metadata"]["name"])
    if is_complete(deployment, status):
        text = f'{kind} "{name}" has successfully progressed.'
        conditions.put(status, make(PROGRESSING, "True", NEW_SET_AVAILABLE, text, now), keyed_by_reason=True)
    elif _has_progressed(deployment.get("status") or {}, status):
        made = make(PROGRESSING, "True", "ReplicaSetUpdated", f'{kind} "{name}" is progressing.', now)
        if current is not None and current.get("status") == "True":
            made["lastTransitionTime"] = current.get("lastTransitionTime", made["lastTransitionTime"])
        conditions.drop(status, PROGRESSING)
        conditions.put(status, made)
    elif _has_timed_out(deployment, status, now):
        text = f'{kind} "{name}" has timed out progressing.'
        conditions.put(status, make(PROGRESSING, "False", TIMED_OUT, text, now), keyed_by_reason=True)


def _failure(sets: Sequence[Object], new: Object | None) -> Object | None:
    """ReplicaFailure of the new ReplicaSet, else of any."""
    for entry in [*([new] if new else []), *sets]:
        found = conditions.find(entry.get("status") or {}, FAILURE)
        if found is not None:
            return {
                "type": FAILURE,
                "status": found.get("status"),
                "lastUpdateTime": found.get("lastTransitionTime"),
                "lastTransitionTime": found.get("lastTransitionTime"),
                "reason": found.get("reason"),
                "message": found.get("message"),
            }
    return None


def check_again_s(deployment: Object, status: Object, now: datetime) -> float | None:
    """When a rollout that shows no progress must be looked at for its deadline."""
    condition, limit_s = conditions.find(status, PROGRESSING), deadline_s(deployment)
    if condition is None or limit_s is None:
        return None
    if is_complete(deployment, status) or condition.get("reason") in (TIMED_OUT, NEW_SET_AVAILABLE):
        return None
    since = parse_time(condition.get("lastUpdateTime") or condition["lastTransitionTime"])
    return max(1.0, limit_s - (now - since).total_seconds() + 1.0)
