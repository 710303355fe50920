"""Pods and runtime records for the node agent's tests: a minimal valid pod plus one visible change per case."""

from __future__ import annotations

from typing import Any

from podsysctl.node.pod import container_hash
from podsysctl.node.runtime_state import EXITED, RUNNING, ContainerRecord, PodRuntime, SandboxRecord

NOW = "2026-01-01T00:00:00Z"
SECOND_NS = 1_000_000_000
EPOCH_NS = 1_767_225_600 * SECOND_NS
"""NOW in nanoseconds since the epoch."""


def container(name: str = "c", **fields: Any) -> dict[str, Any]:
    """A container as the API defaults it."""
    return {"name": name, "image": "localhost/podsysctl/toolbox", "imagePullPolicy": "IfNotPresent", **fields}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A scheduled pod with one container unless given others."""
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "default", "uid": "uid-1", "generation": 1, "resourceVersion": "1"},
        "spec": {
            "containers": list(containers) or [container()],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "nodeName": "node1",
            **spec,
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def record(
    spec: dict[str, Any] | None = None, state: str = RUNNING, *, number: int = 0, exit_code: int = 0, **fields: Any
) -> ContainerRecord:
    """A runtime record of a container; `number` makes later ones newer."""
    spec = spec or container()
    ended = state == EXITED
    defaults: dict[str, Any] = {
        "id": f"{spec['name']}-{number}",
        "name": spec["name"],
        "state": state,
        "sandbox_id": "s-0",
        "attempt": number,
        "image": "localhost/podsysctl/toolbox:latest",
        "image_ref": "sha256:abc",
        "hash": container_hash(spec),
        "created_ns": EPOCH_NS + number * SECOND_NS,
        "started_ns": EPOCH_NS + number * SECOND_NS,
        "finished_ns": EPOCH_NS + (number + 1) * SECOND_NS if ended else 0,
        "exit_code": exit_code,
        "reason": ("Completed" if exit_code == 0 else "Error") if ended else "",
    }
    return ContainerRecord(**{**defaults, **fields})


def runtime(*records: ContainerRecord, ready: bool = True, ip: str = "10.0.0.2") -> PodRuntime:
    """A pod with one sandbox and these containers, newest first."""
    sandbox = SandboxRecord(id="s-0", ready=ready, has_network_status=True, ips=(ip,) if ip else ())
    return PodRuntime("uid-1", "p", "default", [sandbox], sorted(records, key=lambda r: -r.created_ns))


class Results:
    """Probe results by container id, for tests."""

    def __init__(self, liveness: dict[str, bool] | None = None, startup: dict[str, bool] | None = None) -> None:
        self._liveness = liveness or {}
        self._startup = startup or {}

    def liveness(self, container_id: str) -> bool | None:
        return self._liveness.get(container_id)

    def startup(self, container_id: str) -> bool | None:
        return self._startup.get(container_id)

    def is_started(self, spec: dict[str, Any], container_id: str, before: bool) -> bool:
        return not spec.get("startupProbe") or self._startup.get(container_id, before)

    def is_ready(self, spec: dict[str, Any], container_id: str, before: bool) -> bool:
        return not spec.get("readinessProbe") or before
