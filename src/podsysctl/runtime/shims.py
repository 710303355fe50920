"""The shims of one containerd: processes that hold its containers, found by its socket, and ended with their own.

A shim outlives containerd and listens on a socket in a directory that all runtimes of the host share. One that is
killed leaves that file behind, and so does containerd when the caller of a sandbox's start is killed.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from podsysctl.runtime import processes

_PROGRAM = "containerd-shim-runc-v2"
_SOCKETS = "/run/containerd/s/"
"""Wherever containerd's state is (containerd: runtime/v2/shim/util_unix.go)."""


def find(endpoint: Path) -> list[int]:
    """The shims of the containerd with this socket, oldest first."""
    return processes.find(_PROGRAM, str(endpoint))


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


def remove_dead_sockets(since_s: float, directory: Path = Path(_SOCKETS)) -> None:
    """Remove sockets that were made since then and that nobody listens on. Whose shim made one cannot be told from
    it, and it serves nobody any more.
    """
    paths = list(directory.iterdir()) if directory.is_dir() else []
    listening = {path for _, path in _bound()}  # read after the names: what is being made now is among these
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # its shim ended meanwhile
            if str(path) not in listening and path.stat().st_mtime >= since_s and _is_dead(path):
                path.unlink()


def _is_dead(path: Path) -> bool:
    """Whether nobody listens, not even in another network namespace, whose sockets ours does not list."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _sockets_of(pid: int) -> set[Path]:
    """The files of the sockets that a shim listens on or is connected to."""
    inodes = set()
    with contextlib.suppress(OSError):  # it ended meanwhile
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return {Path(path) for inode, path in _bound() if path.startswith(_SOCKETS) and f"socket:[{inode}]" in inodes}


def _bound() -> Iterator[tuple[str, str]]:
    """Inode and path of every socket that has a file (proc(5), net/unix)."""
    for line in Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()[1:]:
        words = line.split(maxsplit=7)
        if len(words) == 8:
            yield words[6], words[7]
