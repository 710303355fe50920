"""subPath of a volume mount: found below the volume without following links out of it, then bound to a safe place.

A container may change its volume while another one starts, so a path that was checked cannot be handed to the
runtime by name. Each part is opened without following links, and what was opened is bind-mounted
(pkg/volume/util/subpath/subpath_linux.go).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from podsysctl.base.errors import KernelError
from podsysctl.node.volumes import mounts


class SubPathError(Exception):
    """The sub path cannot be used; details stay in the log, since they tell of the node's files."""


_OPEN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def prepare(volume: Path, sub_path: str, target: Path, make_missing: bool) -> Path:
    """Bind `volume`/`sub_path` to `target`, making missing directories. Returns the target.

    Raises SubPathError when a part is a link out of the volume or cannot be made.
    """
    if mounts.is_mount_point(target):
        return target
    handle = find(volume, sub_path, make_missing=make_missing)
    try:
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            target.mkdir(mode=0o750, exist_ok=True)
        else:
            target.touch(mode=0o640)
        mounts.bind(f"/proc/self/fd/{handle}", target)
    except (OSError, KernelError) as error:
        raise SubPathError(str(error)) from error
    finally:
        os.close(handle)
    return target


def find(volume: Path, sub_path: str, *, make_missing: bool = False) -> int:
    """A handle (O_PATH) of what lies there, which the caller closes. Raises SubPathError, OSError for the volume."""
    handle = os.open(volume, os.O_PATH | os.O_CLOEXEC)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        for part in _inside(volume, sub_path):
            handle = _step(handle, part, mode, make_missing)
    except OSError as error:
        os.close(handle)
        raise SubPathError(str(error)) from error
    except SubPathError:
        os.close(handle)
        raise
    return handle


def _inside(volume: Path, sub_path: str) -> list[str]:
    """The parts to walk, links inside the volume resolved once; whatever leaves the volume is refused."""
    root = os.path.realpath(volume)
    real = os.path.realpath(os.path.join(root, sub_path))
    if real != root and not real.startswith(root + "/"):
        raise SubPathError(f"subpath {sub_path!r} leaves the volume")
    return [part for part in real[len(root) :].split("/") if part]


def _step(parent: int, part: str, mode: int, make_missing: bool) -> int:
    """Open one part below `parent`, which is closed; never through a link."""
    try:
        child = os.open(part, _OPEN, dir_fd=parent)
    except FileNotFoundError:
        if not make_missing:
            raise
        os.mkdir(part, mode, dir_fd=parent)
        child = os.open(part, _OPEN, dir_fd=parent)
        os.chmod(f"/proc/self/fd/{child}", mode)
    if stat.S_ISLNK(os.fstat(child).st_mode):
        os.close(child)
        raise SubPathError(f"{part!r} became a link")
    os.close(parent)
    return child
