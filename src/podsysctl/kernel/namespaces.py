"""Entering kernel namespaces: on a short-lived thread, never on the caller's own.

Linux keeps the net, ipc and uts namespaces per thread, and /proc/sys answers for the thread that asks (the
lookup goes through current->nsproxy, net/sysctl_net.c and ipc/ipc_sysctl.c). So one process reads any number
of pods without a fork. User and pid namespaces belong to the whole process; for those `kernel.child` starts
one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from podsysctl.base.errors import KernelError

if TYPE_CHECKING:
    import ctypes

T = TypeVar("T")

CLONE_FLAGS = {
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
"""linux/sched.h."""

THREAD_KINDS = ("ipc", "net", "uts")
"""What one thread may change alone, in the order in which it is entered."""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Which namespaces to enter: pairs of kind (net, ipc, uts, user) and path of a namespace file."""

    paths: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_pid(cls, pid: int, kinds: Sequence[str] = THREAD_KINDS) -> Namespaces:
        """Those of a process. Raises KernelError when there is none."""
        directory = f"/proc/{pid:d}/ns"
        if not os.path.isdir(directory):
            raise KernelError(f"process {pid} does not exist", errno=3)
        return cls(tuple((kind, f"{directory}/{kind}") for kind in kinds))

    @classmethod
    def of_netns(cls, path: str) -> Namespaces:
        """A network namespace by its file, or by its name below /run/netns as `ip netns` makes it."""
        return cls((("net", path if "/" in path else f"/run/netns/{path}"),))

    @classmethod
    def host(cls) -> Namespaces:
        """The caller's own: nothing to enter."""
        return cls()

    def only(self, *kinds: str) -> Namespaces:
        """The same without the other kinds."""
        return Namespaces(tuple((kind, path) for kind, path in self.paths if kind in kinds))

    def path(self, kind: str) -> str | None:
        """The file of one kind, or None when that kind is not to be entered."""
        return dict(self.paths).get(kind)

    def identity(self) -> dict[str, tuple[int, int]]:
        """Device and inode of each file: equal exactly when the namespace is the same. Raises KernelError."""
        return {kind: _identity(path) for kind, path in self.paths}


def run_in(namespaces: Namespaces, function: Callable[[], T]) -> T:
    """Call a function inside these namespaces, on a thread of its own, and wait for it.

    Only net, ipc and uts are entered. Raises KernelError when one cannot be, and whatever the function
    raises. Needs CAP_SYS_ADMIN unless nothing is to be entered.
    """
    return run_in_each((namespaces,), lambda _: function())[0]


def run_in_each(targets: Sequence[Namespaces], function: Callable[[Namespaces], T]) -> list[T]:
    """Call a function once in each of many namespaces, all on one short-lived thread, in the given order."""
    home = Namespaces(tuple((kind, f"/proc/thread-self/ns/{kind}") for kind in THREAD_KINDS))

    def visit() -> list[T]:
        with _open_files(home) as home_files:
            results = []
            current = {kind: os.fstat(fd).st_ino for kind, fd in home_files.items()}
            for target in targets:
                _enter(target, home_files, current)
                results.append(function(target))
            return results

    return _on_thread(visit)


def run_in_fresh(kinds: Iterable[str], function: Callable[[], T]) -> T:
    """Call a function inside new net, ipc or uts namespaces that vanish when it returns.

    Raises KernelError when the kernel gives none (EPERM without CAP_SYS_ADMIN, ENOSPC past
    user.max_net_namespaces).
    """
    flags = 0
    for kind in kinds:
        flags |= CLONE_FLAGS[kind]

    def visit() -> T:
        unshare(flags)
        return function()

    return _on_thread(visit)


def unshare(flags: int) -> None:
    """unshare(2) for the calling thread. Raises KernelError. Only for threads and processes that end
    afterwards."""
    if _libc().unshare(flags) != 0:
        raise _error("cannot create namespaces")


def setns(fd: int, kind: str) -> None:
    """setns(2) for the calling thread. Raises KernelError. Only for threads and processes that end
    afterwards."""
    if _libc().setns(fd, CLONE_FLAGS[kind]) != 0:
        raise _error(f"cannot enter the {kind} namespace")


def can_create() -> bool:
    """May this process create namespaces directly, without a user namespace of its own?

    It may with CAP_SYS_ADMIN in effect (capabilities(7)). Raises KernelError when /proc cannot be read.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("CapEff:"):
                    return bool(int(line.split()[1], 16) >> 21 & 1)
    except OSError as error:
        raise KernelError(
            f"cannot read this process's capabilities: {error.strerror}", errno=error.errno or 0
        ) from error
    return False


class _open_files:
    """The open files of namespaces, by kind, closed at the end."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces
        self._files: dict[str, int] = {}

    def __enter__(self) -> dict[str, int]:
        for kind, path in self._namespaces.paths:
            if kind in THREAD_KINDS:
                self._files[kind] = _open(path)
        return self._files

    def __exit__(self, *_: object) -> None:
        for fd in self._files.values():
            os.close(fd)


def _enter(target: Namespaces, home: dict[str, int], current: dict[str, int]) -> None:
    """Enter each kind of the target, and go home for the kinds it does not name."""
    wanted = dict(target.paths)
    for kind in THREAD_KINDS:
        path = wanted.get(kind)
        fd = home[kind] if path is None else _open(path)
        try:
            inode = os.fstat(fd).st_ino
            if current[kind] != inode:
                setns(fd, kind)
                current[kind] = inode
        finally:
            if path is not None:
                os.close(fd)


def _on_thread(function: Callable[[], T]) -> T:
    import threading

    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread and raised there
            failures.append(error)

    thread = threading.Thread(target=run, name="podsysctl-namespace", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_open(path, error) from error


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise _cannot_open(path, error) from error
    return status.st_dev, status.st_ino


def _cannot_open(path: str, error: OSError) -> KernelError:
    hint = "run as root" if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0 else ""
    return KernelError(f"cannot open namespace {path}: {error.strerror}", errno=error.errno or 0, hint=hint)


def _error(what: str) -> KernelError:
    import ctypes

    number = ctypes.get_errno()
    hint = "run as root, or as a user whom user.max_user_namespaces allows a namespace" if number == 1 else ""
    return KernelError(f"{what}: {os.strerror(number)}", errno=number, hint=hint)


@cache
def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
