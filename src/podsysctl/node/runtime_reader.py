"""Reads one pod's sandboxes and containers from the runtime into `PodRuntime`; ended containers are read once."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from podsysctl.base.errors import RuntimeServiceError
from podsysctl.node import labels
from podsysctl.node.runtime_state import (
    CREATED,
    EXITED,
    RUNNING,
    UNKNOWN,
    ContainerRecord,
    PodRuntime,
    SandboxRecord,
)
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService

TERMINATION_MESSAGE_BYTES = 4096
"""Longest termination message taken from its file (pkg/kubelet/container/runtime.go)."""

LOG_MESSAGE_BYTES = 2048
LOG_MESSAGE_LINES = 80

_STATES = {0: CREATED, 1: RUNNING, 2: EXITED, 3: UNKNOWN}


class RuntimeReader:
    """Reads pods of one node."""

    def __init__(self, runtime: RuntimeService, node_name: str) -> None:
        self._runtime = runtime
        self._node_name = node_name
        self._ended: dict[str, ContainerRecord] = {}

    async def read(self, uid: str) -> PodRuntime:
        """Everything the runtime has of a pod, newest first. Raises RuntimeServiceError."""
        selector = {labels.POD_UID: uid, labels.NODE: self._node_name}
        sandboxes, containers = await asyncio.gather(
            self._runtime.list_pod_sandbox(cri.PodSandboxFilter(label_selector=selector)),
            self._runtime.list_containers(cri.ContainerFilter(label_selector=selector)),
        )
        sandboxes = sorted(sandboxes, key=lambda s: (s.created_at, s.metadata.attempt), reverse=True)
        statuses, records = await asyncio.gather(
            asyncio.gather(*(self._sandbox(s.id) for s in sandboxes)),
            asyncio.gather(*(self._container(c.id, c.pod_sandbox_id) for c in containers)),
        )
        out = PodRuntime(uid, sandboxes=[s for s in statuses if s is not None], containers=_newest_first(records))
        if sandboxes:
            out.name, out.namespace = sandboxes[0].metadata.name, sandboxes[0].metadata.namespace
        return out

    async def read_first(
        self, uid: str, name: str, namespace: str, sandbox_id: str, container_ids: Iterable[str]
    ) -> PodRuntime:
        """The same of a pod that had nothing before this sandbox and these containers were made: no list is needed.

        Raises RuntimeServiceError.
        """
        sandbox, records = await asyncio.gather(
            self._sandbox(sandbox_id),
            asyncio.gather(*(self._container(each, sandbox_id) for each in container_ids)),
        )
        return PodRuntime(uid, name, namespace, [sandbox] if sandbox is not None else [], _newest_first(records))

    def forget(self, container_id: str) -> None:
        """Drop what is remembered of a container that was removed."""
        self._ended.pop(container_id, None)

    async def _sandbox(self, sandbox_id: str) -> SandboxRecord | None:
        try:
            response = await self._runtime.pod_sandbox_status(sandbox_id)
        except RuntimeServiceError as error:
            if error.code == "NotFound":
                return None
            raise
        return convert_sandbox(response.status)

    async def _container(self, container_id: str, sandbox_id: str) -> ContainerRecord | None:
        known = self._ended.get(container_id)
        if known is not None:
            return known
        try:
            response = await self._runtime.container_status(container_id)
        except RuntimeServiceError as error:
            if error.code == "NotFound":
                return None
            raise
        record = convert(response.status, sandbox_id)
        if record.state == EXITED:
            record = replace(record, message=_ended_message(response.status, record))
            self._ended[record.id] = record
        return record


def _newest_first(records: Iterable[ContainerRecord | None]) -> list[ContainerRecord]:
    return sorted((r for r in records if r is not None), key=lambda r: r.created_ns, reverse=True)


def convert_sandbox(status: Any) -> SandboxRecord:
    """A CRI PodSandboxStatus as a record."""
    ips = (status.network.ip, *(entry.ip for entry in status.network.additional_ips))
    return SandboxRecord(
        id=status.id,
        ready=status.state == cri.SANDBOX_READY,
        attempt=status.metadata.attempt,
        created_ns=status.created_at,
        host_network=status.linux.namespaces.options.network == cri.NODE,
        has_network_status=status.HasField("network"),
        ips=tuple(ip for ip in ips if ip),
    )


def convert(status: Any, sandbox_id: str) -> ContainerRecord:
    """A CRI ContainerStatus as a record; the termination message is not read here."""
    ended = status.state == cri.CONTAINER_EXITED
    user: dict[str, object] | None = None
    if status.HasField("user") and status.user.HasField("linux"):
        linux = status.user.linux
        groups = list(linux.supplemental_groups)
        shown: dict[str, object] = {"uid": linux.uid, "gid": linux.gid}
        user = {"linux": {**shown, "supplementalGroups": groups} if groups else shown}
    return ContainerRecord(
        id=status.id,
        name=status.labels.get(labels.CONTAINER_NAME) or status.metadata.name,
        state=_STATES.get(status.state, UNKNOWN),
        sandbox_id=sandbox_id,
        attempt=int(status.annotations.get(labels.RESTART_COUNT) or status.metadata.attempt),
        image=status.image.image,
        image_ref=status.image_ref,
        hash=status.annotations.get(labels.HASH, ""),
        created_ns=status.created_at,
        started_ns=status.started_at,
        finished_ns=status.finished_at if ended else 0,
        exit_code=status.exit_code if ended else 0,
        reason=status.reason if ended else "",
        message=status.message if ended else "",
        log_path=status.log_path,
        user=user,
    )


def _ended_message(status: Any, record: ContainerRecord) -> str:
    """The runtime's message and what the container left in its termination file or, by its policy, its log."""
    path = status.annotations.get(labels.TERMINATION_PATH, "")
    to_logs = (
        status.annotations.get(labels.TERMINATION_POLICY) == "FallbackToLogsOnError"
        and record.exit_code != 0
        and record.reason != "ContainerCannotRun"
    )
    text = ""
    host_path = next((m.host_path for m in status.mounts if path and m.container_path == path), "")
    if host_path:
        text = _tail(Path(host_path), TERMINATION_MESSAGE_BYTES)
    if not text and to_logs:
        text = log_tail(Path(record.log_path))
    return ": ".join(part for part in (record.message, text) if part)


def _tail(path: Path, limit_bytes: int) -> str:
    """The end of a file that a container writes to; through a volume it may have made it anything else as well."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return f"Error on reading termination log {path}: it is not a regular file"
            size = file.seek(0, 2)
            file.seek(max(0, size - limit_bytes))
            return file.read(limit_bytes).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"Error on reading termination log {path}: {error.strerror}"


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def log_tail(path: Path) -> str:
    """The end of a container's output, from its CRI log: at most 80 lines and 2048 bytes."""
    raw = _tail(path, LOG_MESSAGE_LINES * 1024)
    # Not splitlines, which ends lines at characters of the container's own as well.
    lines = [line.split(" ", 3) for line in raw.removesuffix("\n").split("\n")[-LOG_MESSAGE_LINES:]]
    parts = [words[3] + ("\n" if words[2].startswith("F") else "") for words in lines if len(words) == 4]
    return "".join(parts)[-LOG_MESSAGE_BYTES:]
