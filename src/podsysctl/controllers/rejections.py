"""The storm brake: pods that their nodes refuse for a sysctl are made again ever more slowly.

Upstream's controllers replace such a pod at once and without end, since a Failed pod is no replica. Here the
first refusal stops the others: one pod at a time is tried, after 10 s, 20 s, ... up to 15 minutes, until one is
admitted. Everything is read from the pods themselves, so that a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from podsysctl.base.clock import format_time, parse_time, shifted
from podsysctl.controllers import podstate
from podsysctl.controllers.scope import Object

REASON = "SysctlForbidden"
FIRST_S = 10.0
LONGEST_S = 900.0
ROUND_S = 5.0
"""Pods made within this time belong to one attempt."""


@dataclass(frozen=True, slots=True)
class Brake:
    """`allowed` pods may be made now; `wait_s` is when to look again; `message` is for the owner."""

    allowed: int
    wait_s: float
    message: str
    attempts: int


def is_rejected(pod: Object) -> bool:
    """Whether a node refused the pod for its sysctls."""
    return podstate.phase(pod) == "Failed" and podstate.status_of(pod).get("reason") == REASON


def is_admitted(pod: Object) -> bool:
    """Whether a node took the pod in: it has containers, or ran."""
    status = podstate.status_of(pod)
    return bool(status.get("containerStatuses")) or status.get("phase") in ("Running", "Succeeded")


def look(pods: Iterable[Object], missing: int, now: datetime) -> Brake | None:
    """The brake for a set of pods of one template that lacks `missing` pods; None when there is none.

    `pods` are all of them, finished ones included.
    """
    listed = list(pods)
    rejected = sorted((pod for pod in listed if is_rejected(pod)), key=_created)
    if not rejected:
        return None
    last = _created(rejected[-1])
    newer = [pod for pod in listed if not is_rejected(pod) and _created(pod) >= last]
    if any(is_admitted(pod) for pod in newer):
        return None
    attempts = _rounds(rejected)
    delay_s = min(FIRST_S * 2 ** min(attempts - 1, 20), LONGEST_S)
    due = shifted(_refused_at(rejected[-1]), delay_s)
    reason = podstate.status_of(rejected[-1]).get("message") or REASON
    count = len(rejected)
    subject = "1 pod was" if count == 1 else f"{count} pods were"
    if any(podstate.is_active(pod) for pod in newer):
        return Brake(0, 0.0, f"{subject} refused; one is being tried again. {reason}", attempts)
    wait_s = (due - now).total_seconds()
    if wait_s <= 0:
        return Brake(min(1, missing), 0.0, f"{subject} refused; one is tried again now. {reason}", attempts)
    text = f"{subject} refused; the next is tried at {format_time(due)}. {reason}"
    return Brake(0, wait_s, text, attempts)


def _created(pod: Object) -> datetime:
    return parse_time(pod["metadata"]["creationTimestamp"])


def _refused_at(pod: Object) -> datetime:
    start = podstate.status_of(pod).get("startTime")
    return parse_time(start) if start else _created(pod)


def _rounds(rejected: list[Object]) -> int:
    """How many attempts the refused pods, oldest first, came from."""
    rounds = 0
    start: datetime | None = None
    for pod in rejected:
        created = _created(pod)
        if start is None or (created - start).total_seconds() > ROUND_S:
            rounds += 1
            start = created
    return rounds
