"""Our root directory as the root of a mount namespace of its own: how runc is started in a chroot.

runc's `exec` enters the mount namespace of a container, and the kernel then makes the root of that namespace the
root directory (setns(2)). In a chroot, pivot_root(2) gives a container another root directory and leaves the
namespace the machine's, so that an exec, a probe or a hook would run in the machine's files. So runc's place is taken
by a script: the text of this module, which makes the tree that we see the namespace's root, unmounts the machine's
from it, and becomes runc. Mounts of a container then stay in it, also with `mountPropagation: Bidirectional`.

The script must go on working for as long as pods live, whatever becomes of this program: nothing of ours is imported
here.
"""

from __future__ import annotations

import ctypes
import os
import sys

# linux/mount.h, linux/sched.h, linux/fcntl.h
_CLONE_FS = 0x200
_CLONE_NEWNS = 0x20000
_MS_REC, _MS_SLAVE = 0x4000, 0x80000
_MNT_DETACH = 0x2
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_OPEN_TREE_CLONE = 0x1
_MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40
_OPEN_TREE, _MOVE_MOUNT = 428, 429
"""One number on every architecture that Debian has for servers (kernel 5.2)."""

_INTERPRETER_BYTES = 200
"""Of a script's first line the kernel reads 256 (binfmt_script.c)."""

_libc = ctypes.CDLL(None, use_errno=True)


def is_chroot() -> bool:
    """Whether our root directory is another than that of our mount namespace. Raises OSError without CAP_SYS_ADMIN.

    Asked on a thread that ends afterwards: it takes its root directory for itself and enters the namespace anew.
    """
    import threading

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


def script(program: str) -> str:
    """The text of an executable file that runs `program` with our root as its namespace's.

    Its first line names the interpreter, since a shell would complain of a working directory that is gone, as runc's
    may be. Raises ValueError when no first line can name it.
    """
    python = os.path.realpath(sys.executable)
    if " " in python or len(python) > _INTERPRETER_BYTES:
        raise ValueError(f"{python}: Linux cannot start this interpreter from a script")
    with open(__file__, encoding="utf-8") as file:
        return f"#!{python} -IS\n{file.read()}\ntake()\nos.execv({program!r}, [{program!r}, *sys.argv[1:]])\n"


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
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
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
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        return status.st_dev, status.st_ino, next(line for line in file if line.startswith("mnt_id:"))


def _check(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
