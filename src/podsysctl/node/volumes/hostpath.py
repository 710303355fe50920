"""hostPath volumes: the node's own files, checked or made as their type asks (pkg/volume/hostpath)."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class HostPathError(Exception):
    """Why the path is not what the volume's type says, in the kubelet's words."""


_CHECKS = {
    "Directory": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


def prepare(path: str, kind: str) -> None:
    """Check the path, or make it for the OrCreate types. Raises HostPathError."""
    if kind == "DirectoryOrCreate":
        _make_directory(Path(path))
        kind = "Directory"
    elif kind == "FileOrCreate":
        _make_file(Path(path))
        kind = "File"
    if not kind:
        return
    is_kind, shown = _CHECKS[kind]
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise HostPathError(f"hostPath type check failed: {path} is not a {shown}") from error
    if not is_kind(mode):
        raise HostPathError(f"hostPath type check failed: {path} is not a {shown}")


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise HostPathError(f"mkdir {path}: {error.strerror}") from error


def _make_file(path: Path) -> None:
    if path.exists():
        return  # whatever it is: opening would wait for the other end of a pipe
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY | os.O_NONBLOCK, 0o644))
    except OSError as error:
        raise HostPathError(f"open {path}: {error.strerror}") from error
