"""The table of pods, with STATUS, READY and RESTARTS computed as upstream does.

Source: Kubernetes 1.36 `pkg/printers/internalversion/printers.go` (printPod).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podsysctl.apiserver.tables.base import (
    AGE,
    NAME,
    NONE,
    Column,
    Object,
    Printer,
    age,
    created,
    meta,
    name,
    section,
    whole,
    wide,
)

_COLUMNS = (
    NAME,
    Column("Ready"),
    Column("Status"),
    Column("Restarts"),
    AGE,
    *wide("IP", "Node", "Nominated Node", "Readiness Gates"),
)
_ENDED = {
    "Succeeded": {
        "type": "Completed",
        "status": "True",
        "reason": "Succeeded",
        "message": "The pod has completed successfully.",
    },
    "Failed": {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."},
}


@dataclass(slots=True)
class _Summary:
    """What the containers of a pod amount to."""

    reason: str
    ready: int = 0
    total: int = 0
    restarts: int = 0
    last_restart: str = ""
    sidecar_restarts: int = 0
    last_sidecar_restart: str = ""


def pod_status(pod: Object) -> str:
    """The STATUS cell."""
    return _summarize(pod).reason


def _cells(pod: Object, now: datetime) -> list[Any]:
    summary = _summarize(pod)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts = f"{restarts} ({age(summary.last_restart, now)} ago)"
    spec, state = section(pod, "spec"), section(pod, "status")
    ips = state.get("podIPs") or ()
    return [
        name(pod),
        f"{summary.ready}/{summary.total}",
        summary.reason,
        restarts,
        created(pod, now),
        (ips[0].get("ip") if ips else "") or NONE,
        spec.get("nodeName") or NONE,
        state.get("nominatedNodeName") or NONE,
        _gates(spec, state),
    ]


def _gates(spec: Object, state: Object) -> str:
    gates = spec.get("readinessGates") or ()
    if not gates:
        return NONE
    conditions = state.get("conditions") or ()
    fulfilled = sum(_condition(conditions, gate.get("conditionType", "")) for gate in gates)
    return f"{fulfilled}/{len(gates)}"


def _condition(conditions: Sequence[Object], kind: str) -> bool:
    found = next((c for c in conditions if c.get("type") == kind), None)
    return found is not None and found.get("status") == "True"


def _summarize(pod: Object) -> _Summary:
    spec, state = section(pod, "spec"), section(pod, "status")
    phase = str(state.get("phase") or "")
    conditions = state.get("conditions") or ()
    summary = _Summary(str(state.get("reason") or phase), total=len(spec.get("containers") or ()))
    if any(c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in conditions):
        summary.reason = "SchedulingGated"
    initializing = _init_containers(summary, spec, state)
    if not initializing or _condition(conditions, "Initialized"):
        _containers(summary, state, conditions)
    if meta(pod).get("deletionTimestamp"):
        if state.get("reason") == "NodeLost":
            summary.reason = "Unknown"
        elif phase not in _ENDED:
            summary.reason = "Terminating"
    return summary


def _init_containers(summary: _Summary, spec: Object, state: Object) -> bool:
    """Count init containers; True while the first unfinished one holds the pod up."""
    declared = {c.get("name"): c for c in spec.get("initContainers") or ()}
    sidecars = {key for key, c in declared.items() if c.get("restartPolicy") == "Always"}
    summary.total += len(sidecars)
    for index, container in enumerate(state.get("initContainerStatuses") or ()):
        restarted = whole(container.get("restartCount"))
        finished = str(section(container, "lastState", "terminated").get("finishedAt") or "")
        is_sidecar = container.get("name") in sidecars
        summary.restarts += restarted
        summary.last_restart = max(summary.last_restart, finished)
        if is_sidecar:
            summary.sidecar_restarts += restarted
            summary.last_sidecar_restart = max(summary.last_sidecar_restart, finished)
        terminated = _part(container, "terminated")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if is_sidecar and container.get("started"):
            summary.ready += bool(container.get("ready"))
            continue
        summary.reason = f"Init:{_init_reason(container, terminated, index, len(declared))}"
        return True
    return False


def _init_reason(container: Object, terminated: Object | None, index: int, count: int) -> str:
    if terminated is not None:
        return str(terminated.get("reason") or _code(terminated))
    waiting = _part(container, "waiting") or {}
    if waiting.get("reason") and waiting["reason"] != "PodInitializing":
        return str(waiting["reason"])
    return f"{index}/{count}"


def _containers(summary: _Summary, state: Object, conditions: Sequence[Object]) -> None:
    summary.restarts, summary.last_restart = summary.sidecar_restarts, summary.last_sidecar_restart
    running, error = False, ""
    for container in reversed(state.get("containerStatuses") or ()):
        summary.restarts += whole(container.get("restartCount"))
        finished = str(section(container, "lastState", "terminated").get("finishedAt") or "")
        summary.last_restart = max(summary.last_restart, finished)
        waiting, terminated = _part(container, "waiting"), _part(container, "terminated")
        if waiting is not None and waiting.get("reason"):
            summary.reason = str(waiting["reason"])
        elif terminated is not None:
            summary.reason = str(terminated.get("reason") or _code(terminated))
            if terminated.get("exitCode"):
                error = summary.reason
        elif container.get("ready") and _part(container, "running") is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed":
        if running and _condition(conditions, "Ready"):
            summary.reason = "Running"
        elif error:
            summary.reason = error
        elif running:
            summary.reason = "NotReady"


def _part(container: Object, key: str) -> Mapping[str, Any] | None:
    """One of the three states, None when the container is not in it."""
    value = section(container, "state").get(key)
    return value if isinstance(value, Mapping) else None


def _code(terminated: Object) -> str:
    signal = terminated.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{whole(terminated.get('exitCode'))}"


def _conditions(pod: Object) -> list[dict[str, Any]]:
    ended = _ENDED.get(str(section(pod, "status").get("phase") or ""))
    return [ended] if ended else []


PRINTER = Printer(_COLUMNS, _cells, _conditions)
