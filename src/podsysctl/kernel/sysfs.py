"""Files of /sys that a tuning profile may set: which, how they are read and written, and how they are put back.

What may be written is decided in `sysctls.tuned.sysfs`, for the pattern of a profile and again for each real path that
it leads to. As for parameters, an original is on disk before the first write.
"""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from podsysctl.base import limits
from podsysctl.base.errors import KernelError
from podsysctl.kernel.journal import JournalOf
from podsysctl.sysctls.tuned.sysfs import problem_of_path

_CHOSEN = re.compile(r"\[([^\]]+)\]")


class FileJournal(JournalOf[str]):
    """The undo journal of files below /sys, by path."""

    @staticmethod
    def _text(name: str) -> str:
        return name

    @staticmethod
    def _parse(text: str) -> str:
        if problem_of_path(text):
            raise ValueError(text)
        return text


@dataclass(frozen=True, slots=True)
class FileWritten:
    """What a write did: the text before, what was asked for, and what the kernel shows now."""

    path: str
    before: str
    wanted: str
    after: str


class FileRefusedError(KernelError):
    """The kernel refused one file; `path` is the one."""

    def __init__(self, path: str, message: str, *, errno: int) -> None:
        super().__init__(message, errno=errno)
        self.path = path


def expand(pattern: str) -> list[str]:
    """The real files that a path with wildcards means now, sorted, whatever links lead there.

    Raises FileRefusedError for one that may not be written.
    """
    out = set()
    for found in glob.glob(pattern):
        path = os.path.realpath(found)
        if not os.path.isfile(path):
            continue
        why = problem_of_path(path)
        if why:
            raise FileRefusedError(path, f"{path}: {why}", errno=errno.EPERM)
        out.add(path)
    return sorted(out)


def read(path: str) -> str:
    """The value; of a list such as `always [madvise] never`, the chosen word. Raises FileRefusedError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(limits.SYSCTL_VALUE_BYTES).strip()
    except OSError as error:
        raise _translate(path, error) from error
    chosen = _CHOSEN.search(text)
    return chosen[1] if chosen else text


def write_all(values: Mapping[str, str], journal: FileJournal, bases: Mapping[str, str]) -> list[FileWritten]:
    """Write several files in order; when one is refused, those before it are put back and FileRefusedError raised.

    `bases` holds the originals to save for files that the journal does not know yet.
    """
    before = {path: read(path) for path in values}
    known = {record.name for record in journal.pending()}
    journal.record({path: (bases.get(path, before[path]), value) for path, value in values.items()})
    done: list[str] = []
    for path, value in values.items():
        try:
            _write(path, value)
        except FileRefusedError:
            for earlier in reversed(done):
                _write(earlier, before[earlier])
            journal.confirm({path: read(path) for path in values if path in known})
            journal.forget(path for path in values if path not in known)
            raise
        done.append(path)
    results = [FileWritten(path, before[path], value, read(path)) for path, value in values.items()]
    journal.confirm({item.path: item.after for item in results})
    return results


def restore(journal: FileJournal) -> list[FileWritten]:
    """Put back every original, newest first; what somebody else changed since, or what is gone, is left alone.

    Raises FileRefusedError once all others are back.
    """
    results = []
    refused: FileRefusedError | None = None
    for record in reversed(journal.pending()):
        try:
            now = read(record.name)
            if now != record.original and (record.confirmed is None or now == record.confirmed):
                _write(record.name, record.original)
            results.append(FileWritten(record.name, now, record.original, read(record.name)))
        except FileRefusedError as error:
            if error.errno != errno.ENOENT:
                refused = refused or error
                continue
        journal.forget((record.name,))
    if refused is not None:
        raise refused
    return results


def _write(path: str, value: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            os.write(fd, value.encode("utf-8", "surrogateescape") or b"\n")
        finally:
            os.close(fd)
    except OSError as error:
        raise _translate(path, error, value) from error


def _translate(path: str, error: OSError, value: str = "") -> FileRefusedError:
    number = error.errno or 0
    subject = f"{path} = {value!r}" if value else path
    return FileRefusedError(
        path, f"{subject}: {os.strerror(number)} ({errno.errorcode.get(number, number)})", errno=number
    )
