"""What a runtime would say of a pod that simply runs: its init containers are done, its others run. Pure."""

from __future__ import annotations

import hashlib

from podsysctl.base.clock import parse_time
from podsysctl.node import pod as pods
from podsysctl.node.node_status import RuntimeFacts
from podsysctl.node.runtime_state import EXITED, RUNNING, ContainerRecord, PodRuntime, SandboxRecord

RUNTIME_NAME = "simulated"


async def read_facts() -> RuntimeFacts:
    """No runtime, and nothing wrong with it."""
    return RuntimeFacts(RUNTIME_NAME, "0")


def running(pod: pods.Pod, started: str) -> PodRuntime:
    """The records of a pod that started at that time (meta/v1); the same for every look at one pod."""
    uid = pods.uid(pod)
    started_ns = int(parse_time(started).timestamp()) * 1_000_000_000
    out = PodRuntime(uid, pods.name(pod), pods.namespace(pod))
    out.sandboxes = [SandboxRecord(uid, True, created_ns=started_ns, host_network=pods.is_host_network(pod))]
    for container in pods.init_containers(pod):
        done = not pods.is_restartable_init(container)
        out.containers.append(_record(uid, container, started_ns, done=done))
    out.containers += [_record(uid, container, started_ns, done=False) for container in pods.containers(pod)]
    return out


def _record(uid: str, container: pods.Container, started_ns: int, *, done: bool) -> ContainerRecord:
    name = container["name"]
    return ContainerRecord(
        id=hashlib.sha256(f"{uid}/{name}".encode()).hexdigest(),
        name=name,
        state=EXITED if done else RUNNING,
        sandbox_id=uid,
        image=container.get("image", ""),
        created_ns=started_ns,
        started_ns=started_ns,
        finished_ns=started_ns if done else 0,
        reason="Completed" if done else "",
    )


class AlwaysReady:
    """No probe is ever asked: what runs is started and ready."""

    def is_started(self, container: pods.Container, container_id: str, before: bool) -> bool:
        """Yes."""
        return True

    def is_ready(self, container: pods.Container, container_id: str, before: bool) -> bool:
        """Yes."""
        return True
