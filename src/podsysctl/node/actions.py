"""What to do for a pod now: which sandbox and containers to start, stop or keep. Pure.

The rules are the kubelet's (kuberuntime_manager.go computePodActions, kuberuntime_container.go
computeInitContainerActions); carrying them out is `sync.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from podsysctl.node import pod as pods
from podsysctl.node import restarts
from podsysctl.node.runtime_state import (
    CREATED,
    EXITED,
    RUNNING,
    UNKNOWN,
    ContainerRecord,
    PodRuntime,
    SandboxChange,
    sandbox_change,
)

LIVENESS = "LivenessProbe"
STARTUP = "StartupProbe"


class ProbeResults(Protocol):
    """What the rules ask about probes; None means that no result is known yet."""

    def liveness(self, container_id: str) -> bool | None:
        """Latest settled liveness result."""
        ...

    def startup(self, container_id: str) -> bool | None:
        """Latest settled startup result."""
        ...


@dataclass(frozen=True, slots=True)
class Kill:
    """A running container to stop, what the Killing event says, and which probe asked for it (or '')."""

    record: ContainerRecord
    message: str
    probe: str = ""


@dataclass(slots=True)
class Actions:
    """The outcome: `kill_pod` stops all containers and sandboxes; the lists are in starting order."""

    sandbox: SandboxChange
    kill_pod: bool = False
    create_sandbox: bool = False
    start_ephemeral: list[pods.Container] = field(default_factory=list)
    start_init: list[pods.Container] = field(default_factory=list)
    start: list[pods.Container] = field(default_factory=list)
    kill: list[Kill] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (
            self.kill_pod
            or self.create_sandbox
            or self.start_ephemeral
            or self.start_init
            or self.start
            or self.kill
        )


def compute(pod: pods.Pod, runtime: PodRuntime, results: ProbeResults, *, half_made: bool = False) -> Actions:
    """The actions for a pod that is not being deleted. `half_made` is of a sandbox that must not be used as it is."""
    change = sandbox_change(runtime, pods.is_host_network(pod))
    if half_made and not change.needed:
        change = SandboxChange(True, change.attempt + 1, change.sandbox_id)
    actions = Actions(change, kill_pod=change.needed, create_sandbox=change.needed)
    if change.needed:
        _from_scratch(pod, runtime, actions)
        return actions
    for container in pods.ephemeral_containers(pod):
        if runtime.latest(container["name"]) is None:
            actions.start_ephemeral.append(container)
    initialized = _init_containers(pod, runtime, results, actions)
    if actions.kill_pod or not initialized:
        return actions
    kept = sum(_regular_container(pod, container, runtime, results, actions) for container in pods.containers(pod))
    if kept == 0 and not actions.start:
        actions.kill_pod = True
        actions.start_init = []
    return actions


def _from_scratch(pod: pods.Pod, runtime: PodRuntime, actions: Actions) -> None:
    """A new sandbox: everything starts over, unless the pod's work is already done."""
    never_again = pods.restart_policy(pod) == "Never"
    if never_again and actions.sandbox.attempt != 0 and runtime.containers:
        actions.create_sandbox = False
        return
    wanted = [c for c in pods.containers(pod) if not _succeeded_for_good(pod, c, runtime)]
    if not wanted and has_regular_container(pod, runtime):
        actions.create_sandbox = False
        return
    if pods.init_containers(pod):
        actions.start_init = [pods.init_containers(pod)[0]]
        return
    actions.start = wanted


def _succeeded_for_good(pod: pods.Pod, container: pods.Container, runtime: PodRuntime) -> bool:
    if (container.get("restartPolicy") or pods.restart_policy(pod)) != "OnFailure":
        return False
    record = runtime.latest(container["name"])
    return record is not None and record.state == EXITED and record.exit_code == 0


def has_regular_container(pod: pods.Pod, runtime: PodRuntime) -> bool:
    """Whether any regular container was ever created, which proves that initialization finished."""
    for container in pods.containers(pod):
        record = runtime.latest(container["name"])
        if record is not None and record.state != UNKNOWN:
            return True
    return False


def _init_containers(pod: pods.Pod, runtime: PodRuntime, results: ProbeResults, actions: Actions) -> bool:
    """Plan init containers, walking from the last: older ones may be gone from the runtime. True when initialized."""
    declared = pods.init_containers(pod)
    if not declared:
        return True
    walk = _InitWalk(pod, runtime, results, actions)
    walk.initialized = any(
        record is not None and record.state in (CREATED, RUNNING)
        for record in (runtime.latest(c["name"]) for c in pods.containers(pod))
    )
    before = walk.initialized
    for index in range(len(declared) - 1, -1, -1):
        container = declared[index]
        record = runtime.latest(container["name"])
        sidecar = pods.is_restartable_init(container)
        if record is None:
            if before and sidecar:
                actions.start_init.append(container)
            continue
        if before and not sidecar:
            continue
        if not walk.visit(index, container, record, sidecar, before):
            return False
        before = True
    if not before:
        actions.start_init.append(declared[0])
    actions.start_init.reverse()
    return walk.initialized


class _InitWalk:
    """One backward walk over the init containers."""

    def __init__(self, pod: pods.Pod, runtime: PodRuntime, results: ProbeResults, actions: Actions) -> None:
        self.pod = pod
        self.runtime = runtime
        self.results = results
        self.actions = actions
        self.initialized = False

    def visit(
        self, index: int, container: pods.Container, record: ContainerRecord, sidecar: bool, before: bool
    ) -> bool:
        """Plan one init container that has a record. False when the pod failed to initialize for good."""
        if record.state == CREATED:
            self.actions.start_init.append(container)
        elif record.state == RUNNING:
            if sidecar:
                self._running_sidecar(index, container, record, before)
        elif record.state == EXITED and sidecar:
            self.actions.start_init.append(container)
        elif record.state == EXITED and not restarts.init_failed(record):
            self._done(index)
        else:
            return self._failed(container, record, sidecar)
        return True

    def _done(self, index: int) -> None:
        declared = pods.init_containers(self.pod)
        if index == len(declared) - 1:
            self.initialized = True
        else:
            self.actions.start_init.append(declared[index + 1])

    def _failed(self, container: pods.Container, record: ContainerRecord, sidecar: bool) -> bool:
        if not sidecar and not pods.container_should_restart(self.pod, container, record.exit_code or 1):
            self.actions.kill_pod = True
            self.actions.start_init = []
            return False
        if record.state == UNKNOWN:
            text = 'Init container is in "unknown" state, try killing it before restart'
            self.actions.kill.append(Kill(record, text))
        self.actions.start_init.append(container)
        return True

    def _running_sidecar(self, index: int, container: pods.Container, record: ContainerRecord, before: bool) -> None:
        name = container["name"]
        if container.get("startupProbe"):
            started = self.results.startup(record.id)
            if started is False:
                self._restart(container, Kill(record, f"Init container {name} failed startup probe", STARTUP))
            if started is not True:
                return
        if index == len(pods.init_containers(self.pod)) - 1:
            self.initialized = True
        elif not before:
            self._done(index)
        if record.hash != pods.container_hash(container):
            self._restart(container, Kill(record, f"Init container {name} definition changed"))
        elif container.get("livenessProbe") and self.results.liveness(record.id) is False:
            self._restart(container, Kill(record, f"Init container {name} failed liveness probe", LIVENESS))

    def _restart(self, container: pods.Container, kill: Kill) -> None:
        self.actions.kill.append(kill)
        self.actions.start_init.append(container)


def _regular_container(
    pod: pods.Pod, container: pods.Container, runtime: PodRuntime, results: ProbeResults, actions: Actions
) -> int:
    """Plan one regular container; 1 when it runs and is kept."""
    name = container["name"]
    record = runtime.latest(name)
    if record is None or record.state != RUNNING:
        if restarts.should_start(pod, container, runtime):
            actions.start.append(container)
            if record is not None and record.state == UNKNOWN:
                text = 'Container is in "unknown" state, try killing it before restart'
                actions.kill.append(Kill(record, text))
        return 0
    restart = (container.get("restartPolicy") or pods.restart_policy(pod)) != "Never"
    probe = ""
    if record.hash != pods.container_hash(container):
        message, restart = f"Container {name} definition changed", True
    elif results.liveness(record.id) is False:
        message, probe = f"Container {name} failed liveness probe", LIVENESS
    elif results.startup(record.id) is False:
        message, probe = f"Container {name} failed startup probe", STARTUP
    else:
        return 1
    if restart:
        message += ", will be restarted"
        actions.start.append(container)
    actions.kill.append(Kill(record, message, probe))
    return 0
