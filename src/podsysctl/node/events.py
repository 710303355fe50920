"""Events of pods and nodes as the kubelet writes them: reasons in one place, references with field paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podsysctl.client.events import Recorder
from podsysctl.node import pod as pods

NORMAL = "Normal"
WARNING = "Warning"

CREATED = "Created"
STARTED = "Started"
FAILED = "Failed"
KILLING = "Killing"
BACK_OFF = "BackOff"
UNHEALTHY = "Unhealthy"
PROBE_WARNING = "ProbeWarning"
FAILED_CREATE_SANDBOX = "FailedCreatePodSandBox"
FAILED_PREPARE_RESOURCES = "FailedPrepareDynamicResources"
FAILED_SANDBOX_STATUS = "FailedPodSandBoxStatus"
SANDBOX_CHANGED = "SandboxChanged"
FAILED_MOUNT = "FailedMount"
FAILED_KILL_POD = "FailedKillPod"
FAILED_POST_START = "FailedPostStartHook"
FAILED_PRE_STOP = "FailedPreStopHook"
FAILED_SYNC = "FailedSync"
DEADLINE_EXCEEDED = "DeadlineExceeded"
STARTING = "Starting"
SYSCTLS_NOT_APPLIED = "SysctlsNotApplied"
"""Ours: a declared sysctl does not have its value inside the sandbox."""


class PodEvents:
    """Writes events of pods and their containers."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def pod(self, pod: pods.Pod, kind: str, reason: str, message: str) -> None:
        """An event of the pod itself."""
        self._recorder.event(_identified(pod), kind, reason, message)

    def container(self, pod: pods.Pod, name: str, kind: str, reason: str, message: str) -> None:
        """An event of one container, found by its field path."""
        self._recorder.event(_identified(pod), kind, reason, message, field_path=pods.field_path(pod, name))

    def of_container(self, pod: pods.Pod, name: str) -> Callable[[str, str, str], None]:
        """The call that writes events of one container: type, reason, message."""
        return lambda kind, reason, message: self.container(pod, name, kind, reason, message)


def _identified(pod: pods.Pod) -> dict[str, Any]:
    """The pod with kind and apiVersion, which lists leave out."""
    if pod.get("kind"):
        return pod
    return {**pod, "kind": "Pod", "apiVersion": "v1"}
