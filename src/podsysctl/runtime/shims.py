"""The shims of one containerd: processes that hold its containers, found by its socket, and ended with their own.

A shim outlives containerd and listens on a socket in a directory that all runtimes of the host share. One that is
killed leaves that file behind.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from podsysctl.runtime import processes

_PROGRAM = "containerd-shim-runc-v2"
_SOCKETS = "/run/containerd/s/"
"""Wherever containerd's state is (containerd: runtime/v2/shim/util_unix.go)."""


def find(socket: Path) -> list[int]:
    """The shims of the containerd with this socket, oldest first."""
    return processes.find(_PROGRAM, str(socket))


def task_of(pid: int) -> str:
    """The id that a shim was started for; '' when the process has gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return words[words.index(b"-id") + 1].decode() if b"-id" in words else ""


async def kill(pids: list[int], wait_s: float, on_stuck: Callable[[int], None] = lambda _: None) -> None:
    """SIGKILL shims, wait for each, and remove their sockets; `on_stuck` hears of those that did not end in time."""
    sockets = {pid: _sockets_of(pid) for pid in pids}
    stuck: list[int] = []
    await processes.kill_all(pids, wait_s, stuck.append)
    for pid, paths in sockets.items():
        if pid in stuck:
            on_stuck(pid)
            continue
        for path in paths:
            path.unlink(missing_ok=True)


def _sockets_of(pid: int) -> list[Path]:
    """The files of the sockets that a shim listens on (proc(5), net/unix: the inode and the path come last)."""
    inodes = set()
    with contextlib.suppress(OSError):  # it ended meanwhile
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    out = []
    for line in Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()[1:]:
        words = line.split(maxsplit=7)
        if len(words) == 8 and words[7].startswith(_SOCKETS) and f"socket:[{words[6]}]" in inodes:
            out.append(Path(words[7]))
    return out
