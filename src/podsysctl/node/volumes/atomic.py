"""Writing a set of files so that readers see either all old or all new ones.

The layout is the kubelet's (pkg/volume/util/atomic_writer.go): the files lie in a directory named by time, the
symbolic link `..data` points to it, and what a container sees are links through `..data`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

DATA = "..data"
_DATA_NEXT = "..data_tmp"


@dataclass(frozen=True, slots=True)
class File:
    """One file's content and permission bits; `uid` is its owner when not root."""

    content: bytes
    mode: int
    uid: int | None = None


def write(target: Path, files: Mapping[str, File], now: datetime, group: int | None) -> bool:
    """Make `target` show exactly these files, by relative path. True when something changed.

    With `group` (the pod's fsGroup) the files belong to it and are readable by it.
    """
    current = _current(target)
    if current is not None and _same(current, files):
        return False
    fresh = target / f"..{now:%Y_%m_%d_%H_%M_%S}.{secrets.token_hex(5)}"
    fresh.mkdir(mode=0o755)
    os.chmod(fresh, 0o755)
    for relative, file in files.items():
        _write_file(fresh, relative, file)
    if group is not None:
        give_to_group(fresh, group, writable=False)
    upcoming = target / _DATA_NEXT
    upcoming.unlink(missing_ok=True)
    upcoming.symlink_to(fresh.name)
    upcoming.rename(target / DATA)
    _link_names(target, {relative.split("/", 1)[0] for relative in files})
    for entry in target.iterdir():
        if entry.name.startswith("..2") and entry.name != fresh.name:
            shutil.rmtree(entry)
    return True


def _current(target: Path) -> Path | None:
    try:
        return target / os.readlink(target / DATA)
    except FileNotFoundError:
        return None


def _same(current: Path, files: Mapping[str, File]) -> bool:
    present = {str(p.relative_to(current)) for p in current.rglob("*") if p.is_file()}
    if present != set(files):
        return False
    return all((current / relative).read_bytes() == file.content for relative, file in files.items())


def _write_file(root: Path, relative: str, file: File) -> None:
    path = root / relative
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_bytes(file.content)
    os.chmod(path, file.mode)
    if file.uid is not None:
        os.chown(path, file.uid, -1)


def _link_names(target: Path, names: set[str]) -> None:
    for name in names:
        link = target / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
    for entry in target.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()


def give_to_group(root: Path, group: int, *, writable: bool) -> None:
    """Give a tree to a group, as fsGroup asks (pkg/volume/volume_linux.go): group rights, set-group-id directories."""
    rights = 0o660 if writable else 0o440
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            os.chown(path, -1, group, follow_symlinks=False)
            continue
        mode = path.stat().st_mode & 0o7777
        extra = 0o2110 if path.is_dir() else 0
        os.chown(path, -1, group)
        os.chmod(path, mode | rights | extra)
