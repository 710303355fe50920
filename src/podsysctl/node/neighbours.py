"""Clusters that share this machine meet in a folder below /run: a reboot empties it, as it resets the kernel's values.

Each leaves a file that names its data directory. What they agree on there is decided by who meets: `forwarding.py`,
`tuning/others.py`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from podsysctl.base.errors import KernelError

_LOCK, _ENDING = "lock", ".holder"


class Neighbours:
    """One cluster's side of one meeting place."""

    def __init__(self, data_dir: Path, shared: Path) -> None:
        self._data_dir = data_dir.resolve()
        self._shared = shared
        self.file = shared / (hashlib.sha256(str(self._data_dir).encode()).hexdigest()[:16] + _ENDING)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One cluster at a time. Raises KernelError when there can be no such folder."""
        try:
            lock = self._lock()
        except OSError as error:
            raise KernelError(f"{self._shared}: {error.strerror}", errno=error.errno or 0) from error
        with lock:
            yield

    def enter(self) -> None:
        """Be one of those that `others` tells of. Under the lock."""
        self.file.write_text(str(self._data_dir))

    def leave(self) -> None:
        """Be none any more. Under the lock."""
        self.file.unlink(missing_ok=True)

    def others(self) -> list[Path]:
        """The data directories of the others. One that was removed by hand has nobody to come back. Under the lock."""
        texts = [file.read_text() for file in sorted(self._shared.glob(f"*{_ENDING}")) if file != self.file]
        # Empty: it was killed between making the file and writing it.
        return [Path(text) for text in texts if text and Path(text).is_dir()]

    def disband(self) -> None:
        """Remove the folder. Under the lock, by the last one."""
        for path in self._shared.iterdir():
            path.unlink()
        self._shared.rmdir()

    def _lock(self) -> TextIO:
        """The open and locked file; when the last cluster has taken the folder away meanwhile, one in a new folder."""
        while True:
            self._shared.mkdir(mode=0o700, exist_ok=True)
            try:
                lock = (self._shared / _LOCK).open("a")
            except FileNotFoundError:
                continue
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock.fileno()).st_nlink:
                return lock
            lock.close()
