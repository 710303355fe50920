"""The one place that opens files below /proc/sys: the bytes of one parameter, read or written.

It imports nothing but `os`, for the tuning CNI plugin, which is a process for every pod. `procsys.py` builds on it
what everything else uses: names, errors with words, reading back, journals.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = "/proc/sys"

FIRST_READ_BYTES = 1024
"""Nearly every value fits; the kernel zeroes a buffer of this size per read, so a large one would cost."""


def open_root() -> int:
    """A directory handle on /proc/sys. Raises OSError, also when that is not the kernel's own tree."""
    fd = os.open(ROOT, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    if os.fstat(fd).st_dev != os.stat("/proc/self/ns").st_dev:
        os.close(fd)
        raise OSError(0, "is not part of the proc file system", ROOT)
    return fd


def open_by_parts(root: int, segments: Sequence[str], flags: int) -> int:
    """Open one parameter's file below the handle, part by part, following no link. Raises OSError."""
    directory = root
    try:
        for part in segments[:-1]:
            step = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            if directory != root:
                os.close(directory)
            directory = step
        return os.open(segments[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    finally:
        if directory != root:
            os.close(directory)


def read(open_file: Callable[[int], int], limit_bytes: int) -> bytes:
    """The content, cut at the limit. `open_file` opens with the flags it is given. Raises OSError."""
    fd = open_file(os.O_RDONLY | os.O_NONBLOCK)
    try:
        data = os.read(fd, FIRST_READ_BYTES)
        return os.pread(fd, limit_bytes, 0) if len(data) == FIRST_READ_BYTES else data
    finally:
        os.close(fd)


def write(open_file: Callable[[int], int], data: bytes, *, until_taken: bool = False) -> int:
    """One write of all bytes; how many the kernel took. Raises OSError.

    With `until_taken` the rest is written as well, as Go and libc do; the kernel ignores what does not come at the
    start (sysctl_writes_strict), so what was said first stays.
    """
    fd = open_file(os.O_WRONLY)
    try:
        count = os.write(fd, data)
        while until_taken and 0 < count < len(data):
            more = os.write(fd, data[count:])
            if more == 0:
                break
            count += more
        return count
    finally:
        os.close(fd)
