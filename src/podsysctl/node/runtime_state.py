"""What the runtime knows of one pod, as values: its sandboxes and containers, newest first. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

CREATED = "created"
RUNNING = "running"
EXITED = "exited"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """One container of a pod as the runtime reports it; times are nanoseconds since the epoch, 0 when not yet."""

    id: str
    name: str
    state: str
    sandbox_id: str = ""
    attempt: int = 0
    image: str = ""
    image_ref: str = ""
    hash: str = ""
    created_ns: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    log_path: str = ""
    user: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class SandboxRecord:
    """One sandbox of a pod as the runtime reports it; `created_ns` is nanoseconds since the epoch."""

    id: str
    ready: bool
    attempt: int = 0
    created_ns: int = 0
    host_network: bool = False
    has_network_status: bool = False
    ips: tuple[str, ...] = ()


@dataclass(slots=True)
class PodRuntime:
    """All of one pod: `sandboxes` and `containers` newest first, `ips` of the newest ready sandbox."""

    uid: str
    name: str = ""
    namespace: str = ""
    sandboxes: list[SandboxRecord] = field(default_factory=list)
    containers: list[ContainerRecord] = field(default_factory=list)

    @property
    def ips(self) -> tuple[str, ...]:
        """Addresses of the newest sandbox, empty when there is none or it is not ready."""
        newest = self.sandboxes[0] if self.sandboxes else None
        return newest.ips if newest is not None and newest.ready else ()

    def latest(self, container_name: str) -> ContainerRecord | None:
        """The newest record of a container."""
        return next((c for c in self.containers if c.name == container_name), None)

    def running(self) -> list[ContainerRecord]:
        """Containers that run, or of which the runtime does not know whether they do."""
        return [c for c in self.containers if c.state in (RUNNING, UNKNOWN)]

    def ready_sandbox(self) -> SandboxRecord | None:
        """The newest sandbox when it is ready."""
        newest = self.sandboxes[0] if self.sandboxes else None
        return newest if newest is not None and newest.ready else None


@dataclass(frozen=True, slots=True)
class SandboxChange:
    """Whether a new sandbox is needed, with which attempt number, and the sandbox there is (or '')."""

    needed: bool
    attempt: int
    sandbox_id: str


def sandbox_change(runtime: PodRuntime, host_network: bool) -> SandboxChange:
    """Decide whether the pod's sandbox can be kept (kuberuntime/util: PodSandboxChanged)."""
    if not runtime.sandboxes:
        return SandboxChange(True, 0, "")
    newest = runtime.sandboxes[0]
    ready = sum(1 for s in runtime.sandboxes if s.ready)
    if ready > 1 or not newest.ready:
        return SandboxChange(True, newest.attempt + 1, newest.id)
    if newest.host_network != host_network:
        return SandboxChange(True, newest.attempt + 1, "")
    if not host_network and newest.has_network_status and not newest.ips:
        return SandboxChange(True, newest.attempt + 1, newest.id)
    return SandboxChange(False, newest.attempt, newest.id)
