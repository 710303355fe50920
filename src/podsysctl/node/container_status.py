"""`containerStatuses` of a pod: each container's state, last state and restart count in Kubernetes' words. Pure.

The rules are the kubelet's (kubelet_pods.go, convertToAPIContainerStatuses). Readiness is added by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from podsysctl.base.clock import format_time
from podsysctl.node import actions, restarts
from podsysctl.node import pod as pods
from podsysctl.node.runtime_state import CREATED, EXITED, RUNNING, UNKNOWN, ContainerRecord, PodRuntime
from podsysctl.policy import recursive_read_only

Status = dict[str, Any]

CONTAINER_CREATING = "ContainerCreating"
POD_INITIALIZING = "PodInitializing"
STATUS_UNKNOWN = "ContainerStatusUnknown"
GONE_EXIT_CODE = 137
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a container's last start did not succeed: the waiting reason and its message."""

    reason: str
    message: str


def build(
    pod: pods.Pod,
    runtime: PodRuntime,
    declared: list[pods.Container],
    previous: list[Status],
    failures: Mapping[str, StartFailure],
    runtime_name: str,
    *,
    recursive: bool = False,
) -> list[Status]:
    """Statuses of `declared` in order, from the runtime's records, the previous statuses and failed starts.

    `recursive` says whether the runtime can mount read-only with everything below.
    """
    builder = _Builder(pod, runtime, failures, runtime_name, recursive)
    old = {s["name"]: s for s in previous}
    return [builder.one(container, old.get(container["name"])) for container in declared]


class _Builder:
    def __init__(
        self,
        pod: pods.Pod,
        runtime: PodRuntime,
        failures: Mapping[str, StartFailure],
        runtime_name: str,
        recursive: bool,
    ) -> None:
        self._pod = pod
        self._runtime = runtime
        self._failures = failures
        self._runtime_name = runtime_name
        self._recursive = recursive
        self._init_names = {c["name"] for c in pods.init_containers(pod)}
        self._default_reason = POD_INITIALIZING if self._init_names else CONTAINER_CREATING

    def one(self, container: pods.Container, old: Status | None) -> Status:
        """The status of one container."""
        records = [c for c in self._runtime.containers if c.name == container["name"]][:2]
        if records:
            status = self._from_record(container, records[0], old)
            if len(records) == 2:
                status["lastState"] = self._from_record(container, records[1], old)["state"]
        else:
            status = self._without_record(container, old)
        return self._waiting_for_start(container, status)

    def _waiting_for_start(self, container: pods.Container, status: Status) -> Status:
        """A container that is to be started but could not be is Waiting, with the reason of the failure."""
        name = container["name"]
        if name in self._init_names:
            record = self._runtime.latest(name)
            if record is not None and record.state == EXITED and record.exit_code == 0:
                return status
            if (
                record is None
                and actions.has_regular_container(self._pod, self._runtime)
                and not pods.is_restartable_init(container)
                and "waiting" in status["state"]
            ):
                status["state"] = {"terminated": _completed_unseen()}
                return status
        if not restarts.should_start(self._pod, container, self._runtime):
            return status
        failure = self._failures.get(name)
        if failure is None:
            return status
        if "terminated" in status["state"]:
            status["lastState"] = status["state"]
        waiting = {"reason": failure.reason}
        if failure.message:
            waiting["message"] = failure.message
        status["state"] = {"waiting": waiting}
        return status

    def _base(self, container: pods.Container) -> Status:
        status: Status = {
            "name": container["name"],
            "state": {"waiting": {"reason": self._default_reason}},
            "lastState": {},
            "ready": False,
            "restartCount": 0,
            "image": container.get("image", ""),
            "imageID": "",
        }
        mounts = [_mount_status(mount, self._recursive) for mount in container.get("volumeMounts") or ()]
        if mounts:
            status["volumeMounts"] = mounts
        return status

    def _without_record(self, container: pods.Container, old: Status | None) -> Status:
        """No record in the runtime: waiting for its first start, or lost after it ran."""
        status = self._base(container)
        if old is None:
            return status
        old_state = old.get("state") or {}
        if "terminated" in old_state:
            return dict(old)
        status["restartCount"] = int(old.get("restartCount") or 0)
        status["lastState"] = old.get("lastState") or {}
        if "running" in old_state and "terminated" not in status["lastState"]:
            text = "The container could not be located when the pod was deleted.  The container used to be Running"
            status["lastState"] = {"terminated": _lost(text)}
            if not pods.is_deleted(self._pod):
                status["restartCount"] += 1
        return status

    def _from_record(self, container: pods.Container, record: ContainerRecord, old: Status | None) -> Status:
        status = self._base(container)
        status["restartCount"] = record.attempt
        status["image"] = record.image or status["image"]
        status["imageID"] = record.image_ref
        status["containerID"] = f"{self._runtime_name}://{record.id}"
        status["state"] = self._state(record, old)
        if old is not None:
            self._carry_over(status, old)
            if record.state == UNKNOWN and "terminated" in status["state"]:
                status["restartCount"] = int(old.get("restartCount") or 0) + 1
        resources = container.get("resources") or {}
        status["resources"] = resources
        if resources.get("requests"):
            status["allocatedResources"] = resources["requests"]
        if record.user is not None:
            status["user"] = record.user
        return status

    def _carry_over(self, status: Status, old: Status) -> None:
        """What the API said before and the runtime may have forgotten: restarts and the last end."""
        status["restartCount"] = max(status["restartCount"], int(old.get("restartCount") or 0))
        old_state = old.get("state") or {}
        old_last = old.get("lastState") or {}
        if old.get("containerID") != status["containerID"] and "terminated" in old_state:
            status["lastState"] = {"terminated": old_state["terminated"]}
        elif "terminated" in old_last:
            status["lastState"] = {"terminated": old_last["terminated"]}

    def _state(self, record: ContainerRecord, old: Status | None) -> Status:
        if record.state == RUNNING:
            return {"running": {"startedAt": wire_time(record.started_ns)}}
        if record.state == EXITED:
            return {"terminated": _terminated(record, self._runtime_name)}
        if record.state == UNKNOWN and old is not None and "running" in (old.get("state") or {}):
            return {"terminated": _lost("The container could not be located when the pod was terminated")}
        if record.state == CREATED:
            return {"waiting": {}}
        return {"waiting": {}}


def _terminated(record: ContainerRecord, runtime_name: str) -> Status:
    out: Status = {"exitCode": record.exit_code}
    if record.reason:
        out["reason"] = record.reason
    if record.message:
        out["message"] = record.message
    # A container that could not be started began in 1970: the kubelet takes the runtime's 0 as a time.
    out["startedAt"] = wire_time(record.started_ns) or EPOCH
    out["finishedAt"] = wire_time(record.finished_ns) or EPOCH
    out["containerID"] = f"{runtime_name}://{record.id}"
    return out


def _lost(message: str) -> Status:
    return {
        "exitCode": GONE_EXIT_CODE,
        "reason": STATUS_UNKNOWN,
        "message": message,
        "startedAt": None,
        "finishedAt": None,
    }


def _completed_unseen() -> Status:
    text = "Unable to get init container status from container runtime and pod has been initialized, "
    return {
        "exitCode": 0,
        "reason": "Completed",
        "message": text + "treat it as exited normally",
        "startedAt": None,
        "finishedAt": None,
    }


def _mount_status(mount: dict[str, Any], recursive: bool) -> Status:
    out: Status = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        out["readOnly"] = True
        enabled = recursive_read_only.is_recursive(mount, recursive)
        out["recursiveReadOnly"] = "Enabled" if enabled else "Disabled"
    return out


def wire_time(nanoseconds: int) -> str | None:
    """A runtime's timestamp as `meta/v1.Time`; None (null) when it was never set."""
    if nanoseconds <= 0:
        return None
    return format_time(datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC))


def lose_unfinished(statuses: list[Status]) -> None:
    """Mark containers whose end nobody saw as ended, in place (status_manager.go, TerminatePod)."""
    for status in statuses:
        if "terminated" not in status["state"]:
            status["state"] = {"terminated": _lost("The container could not be located when the pod was terminated")}
