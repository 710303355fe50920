"""Mounts that volumes need: tmpfs and bind mounts, and undoing whatever is mounted below a directory."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from podsysctl.base.errors import KernelError
from podsysctl.runtime import sweep

_MS_NOSUID = 0x2
_MS_NODEV = 0x4
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MNT_DETACH = 0x2
_UMOUNT_NOFOLLOW = 0x8

_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: Path, kind: str, flags: int, options: str) -> None:
    result = _libc.mount(
        source.encode(), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    if result != 0:
        number = ctypes.get_errno()
        raise KernelError(f"mount {target}: {os.strerror(number)}", errno=number)


def mount_tmpfs(target: Path, size_bytes: int = 0, mode: int = 0o1777, group: int | None = None) -> None:
    """Mount a tmpfs, of at most `size_bytes` when not 0 (mount(2), tmpfs(5)). Raises KernelError."""
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    options += "" if group is None else f",gid={group}"
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def bind(source: str, target: Path) -> None:
    """Bind `source`, which may be a /proc/self/fd path, to an existing target (mount(2)). Raises KernelError."""
    _mount(source, target, "", _MS_BIND | _MS_REC, "")


def is_mount_point(path: Path) -> bool:
    """Whether something is mounted exactly there."""
    return str(path) in sweep.mounts_below(path)


def unmount_below(root: Path) -> None:
    """Unmount everything at or below `root`, newest first. Raises KernelError when something stays."""
    for point in reversed(sweep.mounts_below(root)):
        if _libc.umount2(os.fsencode(point), _UMOUNT_NOFOLLOW) != 0:
            _libc.umount2(os.fsencode(point), _UMOUNT_NOFOLLOW | _MNT_DETACH)
    left = sweep.mounts_below(root)
    if left:
        raise KernelError(f"{left[-1]} is still mounted", errno=16)
