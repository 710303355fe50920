"""The originals of what was written, on disk before the write, so that a crash loses none.

One file of JSON lines; each line is appended and fsynced. A record begins as "about to write", becomes
"confirmed" with the value the kernel then showed, and ends as "forgotten". After a reboot the originals mean
nothing (the kernel has started from its own defaults) and are dropped. Reading and writing /proc/sys itself
is `procsys.py`; files of /sys, which have a journal of their own, are `sysfs.py`'s.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from podsysctl.base import durable, limits
from podsysctl.base.errors import KernelError, PodsysctlError
from podsysctl.sysctls.name import SysctlName, parse_name

_BOOT_ID = "/proc/sys/kernel/random/boot_id"

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class RecordOf(Generic[K]):
    """One parameter that was, or was about to be, written.

    `original` is the value before our first write; `wanted` what we last asked for; `confirmed` what the
    kernel showed after it, None when the program died in between.
    """

    name: K
    original: str
    wanted: str
    confirmed: str | None


Record = RecordOf[SysctlName]


class JournalOf(Generic[K]):
    """The undo journal in one file, used by one process at a time (an advisory lock sees to that).

    Use it as a context manager; leaving it closes the file and keeps its content. `_text` and `_parse` say how a name
    stands in the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._records: dict[K, RecordOf[K]] = {}

    def __enter__(self) -> Self:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND | os.O_NOFOLLOW
        try:
            self._fd = os.open(self._path, flags, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._load()
        except BlockingIOError as error:
            self.close()
            raise KernelError(f"{self._path}: another process is using this journal", errno=error.errno or 0) from error
        except OSError as error:
            self.close()
            raise KernelError(f"{self._path}: {error.strerror}", errno=error.errno or 0) from error
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the content stays for `procsys.restore`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @classmethod
    def peek(cls, path: str) -> list[RecordOf[K]]:
        """What is pending in a journal that another process may be writing now. Raises KernelError."""
        try:
            with open(path, encoding="utf-8") as file:
                whole = file.read().split("\n")[:-1]  # a last line without its end is being written
        except FileNotFoundError:
            return []
        except OSError as error:
            raise KernelError(f"{path}: {error.strerror}", errno=error.errno or 0) from error
        found = cls(path)
        return found.pending() if found._replay(whole) else []

    def pending(self) -> list[RecordOf[K]]:
        """What has not been put back yet, in the order of the first write."""
        return list(self._records.values())

    def record(self, values: Mapping[K, tuple[str, str]]) -> None:
        """Save originals (name to original and wanted value) durably. The first original of a name is kept.

        Raises KernelError when the disk does not take all of it; nothing is recorded then.
        """
        before = dict(self._records)
        lines = []
        for name, (original, wanted) in values.items():
            earlier = self._records.get(name)
            kept = earlier.original if earlier is not None else original
            self._records[name] = RecordOf(name, kept, wanted, None)
            lines.append({"op": "write", "name": self._text(name), "original": kept, "wanted": wanted})
        try:
            self._append(lines)
        except KernelError:
            self._records = before
            raise

    def confirm(self, values: Mapping[K, str]) -> None:
        """Note what the kernel shows after the write."""
        lines = []
        for name, value in values.items():
            earlier = self._records.get(name)
            if earlier is not None:
                self._records[name] = RecordOf(name, earlier.original, earlier.wanted, value)
                lines.append({"op": "confirm", "name": self._text(name), "value": value})
        self._append(lines)

    def forget(self, names: Iterable[K]) -> None:
        """These have been put back; when nothing is left the file becomes empty."""
        gone = [name for name in names if self._records.pop(name, None) is not None]
        lines = [{"op": "forget", "name": self._text(name)} for name in gone]
        if self._records:
            self._append(lines)
        elif lines:
            self._truncate()

    @staticmethod
    def _text(name: K) -> str:
        raise NotImplementedError

    @staticmethod
    def _parse(text: str) -> K:
        raise NotImplementedError

    def _append(self, lines: list[dict[str, str]]) -> None:
        if not lines:
            return
        size = os.fstat(self._fd).st_size
        if size > limits.JOURNAL_BYTES:
            self._compact()  # the records hold what is to be appended already
            return
        if size == 0:
            lines = [{"op": "boot", "id": _boot_id()}, *lines]
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        try:
            written = os.write(self._fd, data)
            if written != len(data):
                os.ftruncate(self._fd, size)  # a torn line is understood as the last one only
                raise KernelError(f"{self._path}: the disk took {written} of {len(data)} bytes", errno=errno.ENOSPC)
            os.fsync(self._fd)
            durable.sync_directory(os.path.dirname(os.path.abspath(self._path)))
        except OSError as error:
            raise KernelError(f"{self._path}: {error.strerror}", errno=error.errno or 0) from error

    def _compact(self) -> None:
        """Write what is pending into a new file, which then takes the old one's place; the lock goes along."""
        lines: list[dict[str, str]] = [{"op": "boot", "id": _boot_id()}]
        for name, record in self._records.items():
            text = self._text(name)
            lines.append({"op": "write", "name": text, "original": record.original, "wanted": record.wanted})
            if record.confirmed is not None:
                lines.append({"op": "confirm", "name": text, "value": record.confirmed})
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        new = self._path + ".new"
        try:
            fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                written = os.write(fd, data)
                if written != len(data):
                    raise KernelError(f"{new}: the disk took {written} of {len(data)} bytes", errno=errno.ENOSPC)
                os.fsync(fd)
                os.rename(new, self._path)
            except BaseException:
                os.close(fd)
                raise
            os.close(self._fd)
            self._fd = fd
            durable.sync_directory(os.path.dirname(os.path.abspath(self._path)))
        except OSError as error:
            raise KernelError(f"{self._path}: {error.strerror}", errno=error.errno or 0) from error

    def _truncate(self) -> None:
        try:
            os.ftruncate(self._fd, 0)
            os.fsync(self._fd)
        except OSError as error:
            raise KernelError(f"{self._path}: {error.strerror}", errno=error.errno or 0) from error

    def _load(self) -> None:
        with open(self._fd, encoding="utf-8", closefd=False) as file:
            lines = file.read().split("\n")
        # Only the last line may be torn: it was being appended when the power went. What it announced was not done.
        whole = lines[:-1]
        if not whole:
            if lines[-1]:
                self._truncate()
            return
        if not self._replay(whole):
            self._records.clear()
            self._truncate()
            return
        if lines[-1]:
            size = sum(len(line.encode()) + 1 for line in whole)
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)

    def _replay(self, lines: Iterable[str]) -> bool:
        """Take up what the lines tell; False when they are of an earlier boot. Raises KernelError."""
        for number, line in enumerate(lines, 1):
            try:
                if not self._apply(json.loads(line)):
                    return False
            except (ValueError, KeyError, TypeError, PodsysctlError) as error:
                raise KernelError(f"{self._path}:{number}: not a record of the undo journal", errno=0) from error
        return True

    def _apply(self, line: dict[str, Any]) -> bool:
        if line["op"] == "boot":
            return bool(line["id"] == _boot_id())
        name = self._parse(line["name"])
        earlier = self._records.get(name)
        if line["op"] == "write":
            self._records[name] = RecordOf(name, str(line["original"]), str(line["wanted"]), None)
        elif line["op"] == "confirm" and earlier is not None:
            self._records[name] = RecordOf(name, earlier.original, earlier.wanted, str(line["value"]))
        elif line["op"] == "forget":
            self._records.pop(name, None)
        return True


class Journal(JournalOf[SysctlName]):
    """The undo journal of parameters; `procsys.restore` plays it back."""

    @staticmethod
    def _text(name: SysctlName) -> str:
        return name.slashed

    @staticmethod
    def _parse(text: str) -> SysctlName:
        return parse_name(text)


def _boot_id() -> str:
    with open(_BOOT_ID, encoding="ascii") as file:
        return file.read().strip()
