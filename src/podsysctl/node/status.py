"""The status of a pod, from its spec, the runtime's records and what went wrong: the only place its phase changes.

Pure; `status_writer.py` sends the result to the API. The rules are the kubelet's (kubelet_pods.go, getPhase and
generateAPIPodStatus; kubelet.go, rejectPod).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from podsysctl.node import conditions, container_status
from podsysctl.node import pod as pods
from podsysctl.node.container_status import StartFailure
from podsysctl.node.qos import qos_class
from podsysctl.node.runtime_state import PodRuntime, sandbox_change

PENDING = "Pending"
RUNNING = "Running"
SUCCEEDED = "Succeeded"
FAILED = "Failed"


class Readiness(Protocol):
    """What status asks about probes of the container with the given runtime id.

    `before` is what the API said of this same container: it holds until there is an answer, so that a restart of
    the agent does not make pods unready.
    """

    def is_started(self, container: pods.Container, container_id: str, before: bool) -> bool:
        """Whether the startup probe succeeded or there is none."""
        ...

    def is_ready(self, container: pods.Container, container_id: str, before: bool) -> bool:
        """Whether the readiness probe succeeded or there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Eviction:
    """A decision of the node to end a pod: its `status.reason` and `status.message`."""

    reason: str
    message: str


@dataclass(slots=True)
class Inputs:
    """Everything a status is computed from; `previous` is the status computed last, or the API's."""

    pod: pods.Pod
    runtime: PodRuntime
    previous: dict[str, Any]
    readiness: Readiness
    runtime_name: str
    host_ips: tuple[str, ...]
    now: str
    failures: Mapping[str, StartFailure] = field(default_factory=dict)
    verified: dict[str, Any] | None = None
    eviction: Eviction | None = None
    stopped: bool = False
    recursive_read_only: bool = False


def rejected(pod: pods.Pod, reason: str, message: str, now: str) -> dict[str, Any]:
    """The status of a pod that admission refused: Failed, without conditions of ours, containers or addresses."""
    previous = pods.status(pod)
    out: dict[str, Any] = {}
    if pods_generation(pod):
        out["observedGeneration"] = pods_generation(pod)
    out["phase"] = FAILED
    kept = [c for c in previous.get("conditions") or () if c["type"] not in conditions.OWNED]
    if kept:
        out["conditions"] = kept
    out |= {"message": f"Pod was rejected: {message}", "reason": reason}
    out |= {"startTime": previous.get("startTime") or now, "qosClass": qos_class(pod)}
    return out


def not_yet_terminal(computed: dict[str, Any], previous: dict[str, Any]) -> dict[str, Any]:
    """A terminal status as it is shown while containers still run: with the phase, reason and message of before."""
    out = {key: value for key, value in computed.items() if key not in ("phase", "reason", "message")}
    out["phase"] = previous.get("phase") or PENDING
    return out | {key: previous[key] for key in ("reason", "message") if previous.get(key)}


def pods_generation(pod: pods.Pod) -> int:
    """`metadata.generation`, 0 when the server keeps none."""
    return int(pod["metadata"].get("generation") or 0)


def compute(inputs: Inputs) -> dict[str, Any]:
    """The pod's whole status. `inputs.stopped` says that all containers were stopped for good."""
    pod, runtime = inputs.pod, inputs.runtime
    out: dict[str, Any] = {}
    if pods_generation(pod):
        out["observedGeneration"] = pods_generation(pod)
    init, regular, ephemeral = _container_statuses(inputs)
    if inputs.stopped:
        _finish(pod, init, regular)
    everything = init + regular
    phase = _phase(inputs, everything)
    out["phase"] = phase
    sandbox_ready = not sandbox_change(runtime, pods.is_host_network(pod)).needed
    foreign = [c for c in pods.status(pod).get("conditions") or () if c["type"] not in conditions.OWNED]
    fresh = conditions.build(
        pod, everything, phase, sandbox_ready=sandbox_ready, foreign=foreign, verified=inputs.verified
    )
    before = inputs.previous.get("conditions") or ()
    out["conditions"] = conditions.with_times(fresh, before, inputs.now, pods_generation(pod))
    _reason(inputs, phase, out)
    _addresses(inputs, out)
    out["startTime"] = inputs.previous.get("startTime") or inputs.now
    if init:
        out["initContainerStatuses"] = init
    out["containerStatuses"] = regular
    if ephemeral:
        out["ephemeralContainerStatuses"] = ephemeral
    out["qosClass"] = qos_class(pod)
    return out


def _container_statuses(inputs: Inputs) -> tuple[list[Any], list[Any], list[Any]]:
    pod, previous = inputs.pod, inputs.previous
    parts = []
    for key, declared in (
        ("initContainerStatuses", pods.init_containers(pod)),
        ("containerStatuses", pods.containers(pod)),
        ("ephemeralContainerStatuses", pods.ephemeral_containers(pod)),
    ):
        statuses = container_status.build(
            pod,
            inputs.runtime,
            declared,
            previous.get(key) or [],
            inputs.failures,
            inputs.runtime_name,
            recursive=inputs.recursive_read_only,
        )
        parts.append(statuses)
    init, regular, ephemeral = parts
    for container, entry in zip(pods.init_containers(pod), init, strict=True):
        _init_readiness(inputs, container, entry, previous.get("initContainerStatuses") or [])
    for container, entry in zip(pods.containers(pod), regular, strict=True):
        _readiness(inputs, container, entry, previous.get("containerStatuses") or [])
    return init, regular, ephemeral


def _container_id(entry: dict[str, Any]) -> str:
    return str(entry.get("containerID", "")).rpartition("/")[2]


def _readiness(inputs: Inputs, container: pods.Container, entry: dict[str, Any], previous: list[Any]) -> None:
    identity = entry.get("containerID")
    old: dict[str, Any] = next((s for s in previous if identity and s.get("containerID") == identity), {})
    running, container_id = "running" in entry["state"], _container_id(entry)
    started = inputs.readiness.is_started(container, container_id, bool(old.get("started")))
    entry["started"] = running and started
    ready = inputs.readiness.is_ready(container, container_id, bool(old.get("ready")))
    entry["ready"] = running and started and ready


def _init_readiness(
    inputs: Inputs, container: pods.Container, entry: dict[str, Any], previous: list[Any]
) -> None:
    if pods.is_restartable_init(container):
        _readiness(inputs, container, entry, previous)
        return
    entry["started"] = "running" in entry["state"]
    ended = entry["state"].get("terminated")
    entry["ready"] = ended is not None and ended["exitCode"] == 0


def _finish(pod: pods.Pod, init: list[Any], regular: list[Any]) -> None:
    """After the last stop no container may look alive: those whose end nobody saw are marked."""
    if not pods.init_containers(pod) or conditions.any_regular_started(pod, regular):
        container_status.lose_unfinished(regular)
    last_started = -1
    for index, entry in enumerate(init):
        if "waiting" not in entry["state"] or "terminated" in (entry.get("lastState") or {}):
            last_started = index
    container_status.lose_unfinished(init[: last_started + 1])


def _phase(inputs: Inputs, statuses: list[Any]) -> str:
    if inputs.eviction is not None:
        return FAILED
    for earlier in (pods.status(inputs.pod).get("phase"), inputs.previous.get("phase")):
        if earlier in pods.TERMINAL_PHASES:
            return str(earlier)
    phase = compute_phase(inputs.pod, statuses, stopped=inputs.stopped)
    if inputs.stopped and phase not in pods.TERMINAL_PHASES:
        return FAILED
    return phase


@dataclass(slots=True)
class _Counts:
    """How many containers are in which situation."""

    pending_init: int = 0
    pending_sidecars: int = 0
    failed_init: int = 0
    unknown: int = 0
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    stopped_for_good: int = 0
    succeeded: int = 0


def compute_phase(pod: pods.Pod, statuses: list[Any], *, stopped: bool) -> str:
    """Pending, Running, Succeeded or Failed, from container statuses alone (kubelet_pods.go, getPhase)."""
    by_name = {s["name"]: s for s in statuses}
    counts = _Counts()
    for container in pods.init_containers(pod):
        if pods.is_restartable_init(container):
            _count_sidecar(by_name.get(container["name"]), counts)
        else:
            _count_init(pod, container, by_name.get(container["name"]), counts)
    for container in pods.containers(pod):
        _count_regular(pod, container, by_name.get(container["name"]), counts)
    if counts.failed_init:
        return FAILED
    begun = conditions.any_regular_started(pod, statuses)
    if counts.pending_init or (counts.pending_sidecars and not begun) or counts.waiting:
        return PENDING
    if counts.running and not counts.unknown:
        return RUNNING
    if counts.running == 0 and counts.stopped and not counts.unknown:
        if not stopped and counts.stopped != counts.stopped_for_good:
            return RUNNING
        return SUCCEEDED if counts.stopped == counts.succeeded else FAILED
    return PENDING


def _count_init(pod: pods.Pod, container: pods.Container, status: Any, counts: _Counts) -> None:
    state = status["state"] if status else {}
    ended = state.get("terminated")
    if ended is None and "waiting" in state:
        ended = (status.get("lastState") or {}).get("terminated")
    if ended is None:
        counts.pending_init += 1
    elif ended["exitCode"] != 0 and not pods.container_should_restart(pod, container, ended["exitCode"]):
        counts.failed_init += 1
    elif ended["exitCode"] != 0:
        counts.pending_init += 1


def _count_sidecar(status: Any, counts: _Counts) -> None:
    if status is None:
        counts.unknown += 1
        return
    state = status["state"]
    if "running" in state:
        counts.running += 1
        if not status.get("started"):
            counts.pending_sidecars += 1
    elif "waiting" in state and "terminated" not in (status.get("lastState") or {}):
        counts.pending_sidecars += 1
        counts.waiting += 1


def _count_regular(pod: pods.Pod, container: pods.Container, status: Any, counts: _Counts) -> None:
    if status is None:
        counts.unknown += 1
        return
    state = status["state"]
    if "running" in state:
        counts.running += 1
        return
    ended = state.get("terminated")
    last = (status.get("lastState") or {}).get("terminated")
    if ended is not None:
        if ended["exitCode"] == 0:
            counts.succeeded += 1
    elif last is not None:
        ended = last
    else:
        counts.waiting += 1
        return
    counts.stopped += 1
    if not pods.container_should_restart(pod, container, ended["exitCode"]):
        counts.stopped_for_good += 1


def _reason(inputs: Inputs, phase: str, out: dict[str, Any]) -> None:
    """`status.reason` and `status.message` stay while the phase does; an eviction sets its own."""
    if inputs.eviction is not None:
        out["message"], out["reason"] = inputs.eviction.message, inputs.eviction.reason
        return
    if phase != inputs.previous.get("phase"):
        return
    for key in ("message", "reason"):
        value = inputs.previous.get(key) or pods.status(inputs.pod).get(key)
        if value:
            out[key] = value


def _addresses(inputs: Inputs, out: dict[str, Any]) -> None:
    host = list(inputs.host_ips[:2])
    if host:
        out["hostIP"] = host[0]
        out["hostIPs"] = [{"ip": ip} for ip in host]
    ips = list(inputs.runtime.ips[:2])
    if pods.is_host_network(inputs.pod):
        ips = host
    elif not ips and inputs.stopped:
        ips = [entry["ip"] for entry in inputs.previous.get("podIPs") or ()]
    if ips:
        out["podIP"] = ips[0]
        out["podIPs"] = [{"ip": ip} for ip in ips]
