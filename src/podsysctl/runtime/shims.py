"""The shims of one containerd: processes that hold its containers, found by its socket; and what they leave.

A shim outlives containerd and listens on a socket in a directory that all runtimes of the host share. One that is
killed leaves that file behind, and so does containerd when the caller of a sandbox's start is killed.
"""

from __future__ import annotations

import contextlib
import socket
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


def remove_dead_sockets(since_s: float, directory: Path = Path(_SOCKETS)) -> None:
    """Remove sockets that were made since then and that nobody listens on. Whose shim made one cannot be told from
    it, and it serves nobody any more.
    """
    paths = list(directory.iterdir()) if directory.is_dir() else []
    listening = _bound()  # read after the names: what is being made now is among these
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


def _bound() -> set[str]:
    """The path of every socket of our network namespace that has a file (proc(5), net/unix)."""
    lines = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()[1:]
    return {words[7] for line in lines if len(words := line.split(maxsplit=7)) == 8}
