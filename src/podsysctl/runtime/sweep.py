"""What a runtime may leave behind, and how each thing is taken away: for `down` and for what a crash left.

Normally the runtime has removed every sandbox itself and nothing is found here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from podsysctl.base import trees
from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime import commands, processes, shims

_SHARED = ("/run/containerd/s", "/run/containerd/fifo", "/run/containerd", "/var/lib/cni/results", "/var/lib/cni")
"""Directories that the shim and libcni make whatever they are told; taken away when nothing is in them."""

_KILL_WAIT_S = 10.0
_ESCAPE = re.compile(r"\\([0-7]{3})")
"""How blanks and a few other characters stand in mountinfo; all else stands there as it is."""


async def sweep(state: Path, socket: Path, cgroup_parents: Iterable[str]) -> None:
    """End leftover containers and shims of one runtime, and remove empty cgroups. Raises PodsysctlError."""
    await _delete_containers(state)
    stuck: list[int] = []
    await processes.kill_all(shims.find(socket), _KILL_WAIT_S, stuck.append)
    remove_cgroups(cgroup_parents)
    if stuck:
        raise PodsysctlError(f"processes {', '.join(map(str, stuck))} did not end after SIGKILL")


async def unmount(directory: Path) -> None:
    """Undo every mount at or below a directory, newest first."""
    targets = mounts_below(directory)
    if targets:
        await commands.run("umount", "--lazy", "--", *reversed(targets))


def mounts_below(directory: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> list[str]:
    """Mount points at or below a directory, in the order of the mountinfo file (proc(5)): newest last.

    A name may be no text in any encoding, anybody's on this machine.
    """
    out = []
    for line in os.fsdecode(mountinfo.read_bytes()).rstrip("\n").split("\n"):
        target = _ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), line.split(" ", 5)[4])
        if target == str(directory) or target.startswith(f"{directory}/"):
            out.append(target)
    return out


async def remove_tree(directory: Path) -> None:
    """Remove a directory with all in it, after its mounts. Idempotent."""
    await unmount(directory)
    await asyncio.to_thread(_remove_tree, directory)


def remove_shared_directories() -> None:
    """Remove the directories that every runtime of the host shares, where they are empty."""
    for path in _SHARED:
        with contextlib.suppress(OSError):
            os.rmdir(path)


def remove_results(sandbox_ids: Iterable[str], directory: Path = Path("/var/lib/cni/results")) -> None:
    """Remove libcni's notes of sandboxes that are gone without their network having been released."""
    wanted = set(sandbox_ids)
    if directory.is_dir():
        for path in directory.iterdir():
            if any(part in wanted for part in path.name.split("-")):
                path.unlink(missing_ok=True)


def remove_cgroups(parents: Iterable[str], root: Path = Path("/sys/fs/cgroup")) -> None:
    """Remove empty cgroups at and below the parents, in every hierarchy. One in use stays."""
    for parent in parents:
        relative = parent.strip("/")
        for base in (root, *(p for p in root.iterdir() if p.is_dir() and not p.is_symlink())):
            top = base / relative
            if relative and top.is_dir():
                for path, _directories, _files in os.walk(top, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(path)


async def _delete_containers(state: Path) -> None:
    """Let runc end what it still knows: it kills by cgroup and pid, and removes the cgroup."""
    runc_root = state / "runc" / "k8s.io"
    if not runc_root.is_dir():
        return
    for entry in sorted(runc_root.iterdir()):
        if not (entry / "state.json").exists():
            continue
        try:
            await commands.run("runc", "--root", runc_root, "delete", "--force", entry.name)
        except commands.CommandError:
            await _kill_init(entry / "state.json")


async def _kill_init(path: Path) -> None:
    """For a container whose state runc cannot use; what remains of it goes with its directory."""
    pid = _init_pid(path)
    if pid > 1 and path.parent.name in _cgroup_of(pid):
        await processes.kill_all([pid], _KILL_WAIT_S)


def _init_pid(path: Path) -> int:
    try:
        return int(json.loads(path.read_text())["init_process_pid"])
    except (OSError, ValueError, KeyError):
        return 0


def _cgroup_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""


def _remove_tree(directory: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        trees.remove(directory)
