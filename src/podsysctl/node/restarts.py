"""Whether a container is to be started (again), from its pod and what the runtime knows of it. Pure."""

from __future__ import annotations

from podsysctl.node import pod as pods
from podsysctl.node.runtime_state import CREATED, EXITED, RUNNING, UNKNOWN, ContainerRecord, PodRuntime


def should_start(pod: pods.Pod, container: pods.Container, runtime: PodRuntime) -> bool:
    """Whether the container has to be started now or after its back-off (kubelet: ShouldContainerBeRestarted)."""
    if pods.is_deleted(pod):
        return False
    record = runtime.latest(container["name"])
    if record is None:
        return True
    if record.state == RUNNING:
        return False
    if record.state in (UNKNOWN, CREATED):
        return True
    return pods.container_should_restart(pod, container, record.exit_code)


def init_failed(record: ContainerRecord) -> bool:
    """Whether an init container's run counts as failed."""
    if record.reason == "OOMKilled":
        return True
    return (record.state == EXITED and record.exit_code != 0) or record.state == UNKNOWN
