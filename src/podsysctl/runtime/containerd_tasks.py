"""Ends what containerd still runs for a container of which its CRI says that it does not run.

A StartContainer whose caller is killed is undone with the caller's own, cancelled context. Cut off between the
making of the task and its first question (containerd 1.6 to 2.x: `failed to get task pid: context canceled`), CRI
notes that the container exited, never deletes the task, and forgets it: StopContainer and StopPodSandbox then do
nothing, and RemoveContainer and RemovePodSandbox refuse for ever (`cannot delete running task`), since containerd's
containers have a task and CRI's have none. No call of CRI leads out of this. containerd's own task service, on the
same socket, does; another runtime has no such service and no such state.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from podsysctl.base import limits
from podsysctl.base.errors import RuntimeServiceError
from podsysctl.runtime import containerd_tasks_pb2 as tasks

if TYPE_CHECKING:
    from podsysctl.runtime.service import RuntimeService

_TASKS = "/containerd.services.tasks.v1.Tasks/"
_NAMESPACE = (("containerd-namespace", "k8s.io"),)


async def end(service: RuntimeService, container_id: str) -> bool:
    """Kill and delete the task of a container or sandbox; whether there was one.

    False as well where the runtime is not containerd. Raises RuntimeServiceError when a task stays.
    """
    try:
        await _call(service, "Kill", tasks.KillRequest(container_id=container_id, signal=signal.SIGKILL, all=True))
        await _call(service, "Wait", tasks.WaitRequest(container_id=container_id))
    except RuntimeServiceError as error:
        if error.code == "Unimplemented":
            return False
        if error.code != "NotFound":  # no task, or one whose process has ended
            raise
    try:
        await _call(service, "Delete", tasks.DeleteTaskRequest(container_id=container_id))
    except RuntimeServiceError as error:
        if error.code != "NotFound":
            raise
        return False
    return True


async def _call(service: RuntimeService, method: str, request: Message) -> None:
    await service.channel.call(
        _TASKS + method, request, tasks.Empty, limits.RUNTIME_TASK_TIMEOUT_S, metadata=_NAMESPACE
    )
