"""Our root directory as the root of a mount namespace of its own: how runc is started in a chroot.

runc's `exec` enters the mount namespace of a container, and the kernel then makes the root of that namespace the
root directory (setns(2)). In a chroot, pivot_root(2) gives a container another root directory and leaves the
namespace the machine's, so that an exec, a probe or a hook would run in the machine's files. Here the tree that we
see becomes the namespace's root first, and the machine's is unmounted from it.

runc's place is then taken by a file of `write_starter`, which does that to itself and becomes runc.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from pathlib import Path
from typing import NoReturn

from podsysctl.base import durable
from podsysctl.base.errors import PodsysctlError

# linux/mount.h, linux/sched.h, linux/fcntl.h
_CLONE_FS = 0x200
_CLONE_NEWNS = 0x20000
_MS_REC, _MS_SLAVE = 0x4000, 0x80000
_MNT_DETACH = 0x2
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_OPEN_TREE_CLONE = 0x1
_MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40
_OPEN_TREE, _MOVE_MOUNT = 428, 429
"""One number on every architecture (kernel 5.2)."""
_PIVOT_ROOT = {"x86_64": 155, "i686": 217, "ppc64le": 203, "s390x": 217, "armv7l": 218}
_PIVOT_ROOT_GENERIC = 41
"""Of asm-generic/unistd.h: aarch64, riscv64, loongarch64."""

_INTERPRETER_BYTES = 200
"""Of a script's first line the kernel reads 256 (binfmt_script.c)."""

_SOURCE = Path(__file__).resolve().parents[2]

_libc = ctypes.CDLL(None, use_errno=True)


def is_chroot() -> bool:
    """Whether our root directory is another than that of our mount namespace. Raises OSError without CAP_SYS_ADMIN.

    Asked on a thread that ends afterwards: it takes its root directory for itself and enters the namespace anew.
    """
    found: list[int] = []
    failures: list[OSError] = []

    def look() -> None:
        try:
            _check(_libc.unshare(_CLONE_FS), "unshare")
            _enter_own_namespace()
            found.append(os.open("/", os.O_PATH | os.O_CLOEXEC))
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=look, name="podsysctl-root")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    ours = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        return _place(ours) != _place(found[0])
    finally:
        os.close(ours)
        os.close(found[0])


def write_starter(path: Path, program: Path) -> None:
    """Write an executable file that runs `program` with our root as its namespace's. Raises OSError, PodsysctlError.

    The interpreter is named in the first line, since a shell would complain of a working directory that is gone, as
    runc's may be.
    """
    python = os.path.realpath(sys.executable)
    if " " in python or len(python) > _INTERPRETER_BYTES:
        raise PodsysctlError(f"{python}: Linux cannot start this interpreter from a script, which a chroot needs")
    lines = (
        f"#!{python} -IS",
        "import sys",
        f"sys.path.insert(0, {str(_SOURCE)!r})",
        "from podsysctl.runtime import own_root",
        f"own_root.run({str(program)!r})",
    )
    durable.write(path, "\n".join(lines) + "\n", mode=0o700)


def run(program: str) -> NoReturn:
    """Become a program, with our arguments and our root as its namespace's. Raises OSError."""
    take()
    os.execv(program, [program, *sys.argv[1:]])


def take() -> None:
    """Make our root directory that of a new mount namespace. Raises OSError. For a process with one thread."""
    try:
        directory = os.getcwd()
    except FileNotFoundError:  # it was removed
        directory = "/"
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    ours = os.open("/", os.O_PATH | os.O_CLOEXEC)
    _enter_own_namespace()
    # Nothing that is mounted or unmounted from here on may reach the machine; what the machine mounts reaches us.
    _check(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None), "mount")
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH | _AT_RECURSIVE
    tree = _check(_libc.syscall(_OPEN_TREE, ours, b"", flags), "open_tree")
    to = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _check(_libc.syscall(_MOVE_MOUNT, tree, b"", ours, b"", to), "move_mount")
    os.fchdir(tree)
    # Both names are the same on purpose: the old root is then mounted over the new one, and taken away by its name.
    number = _PIVOT_ROOT.get(os.uname().machine, _PIVOT_ROOT_GENERIC)
    _check(_libc.syscall(number, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir(directory)


def _enter_own_namespace() -> None:
    """Enter the mount namespace that we are in, which makes its root our root directory (setns(2))."""
    namespace = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(namespace, _CLONE_NEWNS), "setns")
    finally:
        os.close(namespace)


def _place(fd: int) -> tuple[int, int, str]:
    """Device and inode of a directory, and the mount it was opened on (proc(5), fdinfo)."""
    status = os.fstat(fd)
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return status.st_dev, status.st_ino, next(line for line in lines if line.startswith("mnt_id:"))


def _check(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
