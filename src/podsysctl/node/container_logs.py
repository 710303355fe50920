"""Which log a client means, and whether there can be one: from a request's parameters to the file that is read.

Rules and texts are the kubelet's (pkg/kubelet/kubelet_pods.go validateContainerLogStatus, server.go
getContainerLogs, 1.36). Reading the file is `logs.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from podsysctl.base.clock import Clock, parse_time
from podsysctl.base.errors import PodsysctlError, RuntimeServiceError
from podsysctl.node import logs
from podsysctl.node import pod as pods
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService

_LONGEST_S = 100 * 365 * 24 * 3600
"""Older than any log; what a time cannot be taken back by is no error."""

_TRUE = ("1", "true", "True", "TRUE", "t", "T")


class LogRequestError(PodsysctlError):
    """Parameters that are wrong; `status` is the HTTP status to answer with."""

    reason = "BadLogRequest"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What to show of which of the container's runs."""

    options: logs.LogOptions
    previous: bool


def parse_query(query: Mapping[str, str], clock: Clock) -> LogRequest:
    """Read PodLogOptions from a query. Raises LogRequestError."""
    try:
        tail, limit = _integer(query, "tailLines"), _integer(query, "limitBytes")
        seconds = _integer(query, "sinceSeconds")
        since = parse_time(query["sinceTime"]) if query.get("sinceTime") else None
        if since is not None and since.tzinfo is None:
            raise ValueError("a time needs its zone")
    except ValueError as error:
        raise LogRequestError(400, '{"message": "Unable to decode query."}') from error
    stream = query.get("stream") or logs.ALL
    wrong = (
        (tail is not None and tail < 0) or (limit is not None and limit < 1) or (seconds is not None and seconds < 1)
    )
    if wrong or (seconds is not None and since is not None) or stream not in (logs.ALL, logs.STDOUT, logs.STDERR):
        raise LogRequestError(422, '{"message": "Invalid request."}')
    if seconds is not None:
        since = clock.now() - timedelta(seconds=min(seconds, _LONGEST_S))
    options = logs.LogOptions(
        follow=query.get("follow") in _TRUE,
        timestamps=query.get("timestamps") in _TRUE,
        since=since,
        tail_lines=tail,
        limit_bytes=limit,
        stream=stream,
    )
    return LogRequest(options, query.get("previous") in _TRUE)


LogText = AsyncGenerator[bytes, None]


async def open_log(runtime: RuntimeService, pod: pods.Pod, container: str, wanted: LogRequest) -> LogText:
    """The text of a container's log. Raises PodsysctlError, in the words a client sees, when there is none."""
    container_id = find_run(pod, container, previous=wanted.previous)
    runtime_id = container_id.partition("://")[2]
    try:
        status = (await runtime.container_status(runtime_id)).status
    except RuntimeServiceError as error:
        raise LogRequestError(400, f"unable to retrieve container logs for {container_id}") from error
    if not status.log_path:
        raise LogRequestError(400, f"unable to retrieve container logs for {container_id}")
    path = Path(status.log_path)

    async def is_running() -> bool:
        try:
            now = (await runtime.container_status(runtime_id)).status
        except RuntimeServiceError as error:
            return error.code == "Unavailable"  # the runtime restarts, the container runs on
        return now.state == cri.CONTAINER_RUNNING

    logs.check_readable(path)
    return logs.read_log(path, wanted.options, is_running)


def find_run(pod: pods.Pod, container: str, *, previous: bool) -> str:
    """The id, with its scheme, of the container run whose log is meant. Raises LogRequestError."""
    name = pods.name(pod)
    entry = _status_entry(pod, container)
    if entry is None:
        raise LogRequestError(400, f'container "{container}" in pod "{name}" is not available')
    state = entry.get("state") or {}
    last_id = ((entry.get("lastState") or {}).get("terminated") or {}).get("containerID", "")
    if previous:
        if not last_id:
            raise LogRequestError(400, f'previous terminated container "{container}" in pod "{name}" not found')
        return str(last_id)
    if "running" in state:
        return str(entry.get("containerID", ""))
    if "terminated" in state or (entry.get("lastState") or {}).get("terminated") is not None:
        found = (state.get("terminated") or {}).get("containerID") or last_id
        if not found:
            raise LogRequestError(400, f'container "{container}" in pod "{name}" is terminated')
        return str(found)
    raise LogRequestError(400, f'container "{container}" in pod "{name}" {_waiting(state)}')


def _waiting(state: Mapping[str, Any]) -> str:
    reason = (state.get("waiting") or {}).get("reason")
    if "waiting" not in state:
        return "is waiting to start - no logs yet"
    words = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
    return f"is waiting to start: {words.get(reason or '', reason or '')}"


def _status_entry(pod: pods.Pod, container: str) -> dict[str, Any] | None:
    status = pods.status(pod)
    for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(key) or ():
            if entry.get("name") == container:
                return dict(entry)
    return None


def _integer(query: Mapping[str, str], key: str) -> int | None:
    text = query.get(key)
    return None if text is None else int(text)
