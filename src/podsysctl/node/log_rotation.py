"""Keeps container logs bounded: a log that grew too large is renamed, and the runtime told to open a new one.

Names, numbers and order are the kubelet's (pkg/kubelet/logs/container_log_manager.go, 1.36): the log `0.log`
becomes `0.log.20260102-030405`, all but the newest of those are compressed to `.gz`, and the oldest are removed.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import shutil
from pathlib import Path

from podsysctl.base.clock import Clock
from podsysctl.base.errors import RuntimeServiceError
from podsysctl.node import labels
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService

_log = logging.getLogger(__name__)

MAX_SIZE_BYTES = 10 * 1024 * 1024
"""containerLogMaxSize's default."""

MAX_FILES = 5
"""containerLogMaxFiles' default, the one in use included."""

INTERVAL_S = 10.0
"""containerLogMonitorInterval's default."""

_COMPRESSED, _TEMPORARY = ".gz", ".tmp"


class LogRotation:
    """Rotates the logs of a node's running containers."""

    def __init__(
        self,
        runtime: RuntimeService,
        node_name: str,
        clock: Clock,
        *,
        max_size_bytes: int = MAX_SIZE_BYTES,
        max_files: int = MAX_FILES,
    ) -> None:
        self._runtime = runtime
        self._node_name = node_name
        self._clock = clock
        self._max_size_bytes = max_size_bytes
        self._max_files = max_files

    async def run(self) -> None:
        """Look at every log again and again, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.rotate_all()
            except RuntimeServiceError as error:
                _log.warning("log rotation put off: %s", error)

    async def rotate_all(self) -> int:
        """Rotate what is too large now; how many were. Raises RuntimeServiceError when containers cannot be listed.

        A log that cannot be rotated keeps no other from it.
        """
        running = cri.ContainerStateValue(state=cri.CONTAINER_RUNNING)
        wanted = cri.ContainerFilter(state=running, label_selector={labels.NODE: self._node_name})
        rotated = 0
        for container in await self._runtime.list_containers(wanted):
            try:
                rotated += await self._look(container.id)
            except (RuntimeServiceError, OSError) as error:
                _log.warning("the log of container %s is not rotated: %s", container.id[:13], error)
        return rotated

    async def _look(self, container_id: str) -> bool:
        """Whether one log was too large and is rotated. Raises RuntimeServiceError, OSError."""
        try:
            status = (await self._runtime.container_status(container_id)).status
        except RuntimeServiceError as error:
            if error.code == "NotFound":
                return False
            raise
        if not status.log_path:
            return False
        path = Path(status.log_path)
        size = _size(path)
        if size is None:  # whoever renamed it was killed before the container had a new one
            await self._runtime.reopen_container_log(container_id)
        elif size >= self._max_size_bytes:
            await self._rotate(container_id, path)
            return True
        return False

    async def _rotate(self, container_id: str, path: Path) -> None:
        await asyncio.to_thread(tidy, path, self._max_files)
        renamed = path.with_name(f"{path.name}.{self._clock.now():%Y%m%d-%H%M%S}")
        os.rename(path, renamed)
        try:
            await self._runtime.reopen_container_log(container_id)
        except RuntimeServiceError:
            os.rename(renamed, path)  # nobody would write to a log that is not there
            raise


def tidy(path: Path, max_files: int) -> None:
    """Compress and remove older files of a log, so that with the next rotation there are at most `max_files`."""
    for left in path.parent.glob(f"{path.name}.*{_TEMPORARY}"):
        left.unlink(missing_ok=True)
    rotated = sorted(path.parent.glob(f"{path.name}.*"))
    # One place for the log in use, and one for the file that it becomes next.
    keep = max(0, max_files - 2)
    for old in rotated[: max(0, len(rotated) - keep)]:
        old.unlink(missing_ok=True)
    for old in rotated[max(0, len(rotated) - keep) :]:
        if not old.name.endswith(_COMPRESSED):
            _compress(old)


def _compress(path: Path) -> None:
    new = path.with_name(path.name + _COMPRESSED + _TEMPORARY)
    with path.open("rb") as source, gzip.open(new, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)
    new.rename(path.with_name(path.name + _COMPRESSED))
    path.unlink()


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None
