"""Container logs as `kubectl logs` shows them: a CRI log file read from any point, and followed.

One line of the file is `TIME STREAM TAG CONTENT`; TAG P means that the line goes on in the next one. What is
shown follows upstream (kubernetes: staging/src/k8s.io/cri-client/pkg/logs/logs.go, 1.36), with one difference:
a followed file that was rotated is read to its end before the new one.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Self

from podsysctl.base.errors import PodsysctlError

ALL, STDOUT, STDERR = "All", "Stdout", "Stderr"

_TIME = re.compile(rb"(.{19})(?:\.(\d{1,9}))?\d*(.*)", re.DOTALL)
_BLOCK_BYTES = 64 * 1024
_POLL_S = 0.1
_STATE_EVERY_S = 1.0
"""How often the runtime is asked whether a followed container still runs (logForceCheckPeriod)."""

_STREAMS = {ALL: (b"stdout", b"stderr"), STDOUT: (b"stdout",), STDERR: (b"stderr",)}

IsRunning = Callable[[], Awaitable[bool]]


class LogFileError(PodsysctlError):
    """A log file that cannot be read; the message is the client's."""

    reason = "LogUnreadable"


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What to show. `since` hides earlier lines, `tail_lines` all but the last, `limit_bytes` cuts the output."""

    follow: bool = False
    timestamps: bool = False
    since: datetime | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    stream: str = ALL


async def read_log(path: Path, options: LogOptions, is_running: IsRunning) -> AsyncGenerator[bytes, None]:
    """Yield the log's text in pieces of any size, to its end or, with `follow`, to the container's end.

    Raises LogFileError when the file cannot be opened.
    """
    printer = _Printer(options)
    with _LogFile(path, options.tail_lines) as file:
        lines_left = options.tail_lines if not options.follow else None
        watch = _Watch(is_running)
        while True:
            block = file.read_lines(last=not options.follow)
            for line in block:
                if lines_left == 0:
                    break
                printer.add(line)
                lines_left = None if lines_left is None else lines_left - 1
            if text := printer.take():
                yield text
            if printer.full or lines_left == 0:
                return
            if block:
                continue
            if not options.follow:
                return
            if file.reopen_if_replaced():
                continue
            if watch.ended:
                return
            await watch.wait()


def check_readable(path: Path) -> None:
    """Raise LogFileError now when `read_log` would."""
    _LogFile(path, None).close()


class _Watch:
    """Waits for a followed file to grow, and notices the container's end."""

    def __init__(self, is_running: IsRunning) -> None:
        self._is_running = is_running
        self._asked_s = -_STATE_EVERY_S
        self.ended = False
        """The container has ended; the caller reads what was written until then, once more."""

    async def wait(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._asked_s >= _STATE_EVERY_S:
            self._asked_s = now_s
            self.ended = not await self._is_running()
        if not self.ended:
            await asyncio.sleep(_POLL_S)


class _LogFile:
    """The open file; whole lines come out, a line that is still being written stays in."""

    def __init__(self, path: Path, tail_lines: int | None) -> None:
        self._path = path
        self._rest = b""
        self._file = self._open()
        self._file.seek(_tail_start(self._file, tail_lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> BinaryIO:
        try:
            return self._path.resolve(strict=True).open("rb")
        except FileNotFoundError as error:
            text = f'failed to try resolving symlinks in path "{self._path}": lstat {self._path}: '
            raise LogFileError(f"{text}no such file or directory") from error
        except OSError as error:
            raise LogFileError(f'failed to open log file "{self._path}": {error.strerror}') from error

    def read_lines(self, *, last: bool) -> list[bytes]:
        """The next lines without their ends; with `last`, what stands after the last line end is one, too."""
        data = self._file.read(_BLOCK_BYTES)
        while data and b"\n" not in data:
            more = self._file.read(_BLOCK_BYTES)
            if not more:
                break
            data += more
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data and last and self._rest:
            lines, self._rest = [self._rest], b""
        return lines

    def reopen_if_replaced(self) -> bool:
        """At the end of the file: go on with the new one when the log was rotated."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False  # between the rename and the reopening
        here = os.fstat(self._file.fileno())
        if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
            return False
        self._file.close()
        self._file, self._rest = self._open(), b""
        return True


class _Printer:
    """Turns log lines into the text that is shown."""

    def __init__(self, options: LogOptions) -> None:
        self._streams = _STREAMS[options.stream]
        self._timestamps = options.timestamps
        self._since = options.since
        self._left = options.limit_bytes
        self._at_line_start = True
        self._out: list[bytes] = []
        self.full = False
        """The byte limit is reached."""

    def add(self, line: bytes) -> None:
        """Take one line of the file; a line in no known form is left out, as upstream does."""
        parts = line.split(b" ", 3)
        if self.full or len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
            return
        time, stream, tag, content = parts
        partial = tag.split(b":", 1)[0] == b"P"
        continued, self._at_line_start = not self._at_line_start, not partial or not content
        if stream not in self._streams or (self._since is not None and not _is_since(time, self._since)):
            return
        text = content if partial else content + b"\n"
        if self._timestamps and not continued:
            text = _padded(time) + b" " + text
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
            self.full = self._left <= 0
        self._out.append(text)

    def take(self) -> bytes:
        """The text since the last call."""
        text = b"".join(self._out)
        self._out.clear()
        return text


def _is_since(time: bytes, since: datetime) -> bool:
    try:
        return datetime.fromisoformat(time.decode()) >= since
    except (ValueError, UnicodeDecodeError):
        return False


def _padded(time: bytes) -> bytes:
    """The time with nine digits of a second, as it is shown.

    >>> _padded(b"2026-01-02T03:04:05.67Z"), _padded(b"2026-01-02T03:04:05+09:00")
    (b'2026-01-02T03:04:05.670000000Z', b'2026-01-02T03:04:05.000000000+09:00')
    """
    match = _TIME.fullmatch(time)
    return b"%b.%b%b" % (match[1], (match[2] or b"").ljust(9, b"0"), match[3]) if match else time


def _tail_start(file: BinaryIO, lines: int | None) -> int:
    """Where the last `lines` lines begin; a line without its end counts as one."""
    if lines is None:
        return 0
    end = file.seek(0, os.SEEK_END)
    if lines == 0 or end == 0:
        return end
    wanted = lines
    for position, block in _backwards(file, end):
        at = len(block)
        if position + at == end and block.endswith(b"\n"):
            at -= 1
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            wanted -= 1
            if wanted == 0:
                return position + at + 1
    return 0


def _backwards(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        file.seek(start)
        yield start, file.read(end - start)
        end = start
