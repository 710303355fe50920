"""Entering the sandbox's network namespace, with upstream's words where that fails.

The plugin is a process of its own with one thread, so it enters and never comes back.
Source: plugins pkg/ns/ns_linux.go.
"""

from __future__ import annotations

import os

from podsysctl.cni import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from typing import Any

_NEWNET = 0x40000000
_NETNS, _PROC = 0x6E736673, 0x9FA0


def open_netns(path: str) -> int:
    """A handle on the namespace. Raises wire.Problem."""
    try:
        kind = _magic(path)
    except OSError as error:
        raise wire.Problem(f"failed to Statfs {wire.quote(path)}: {words(error)}") from error
    if kind not in (_NETNS, _PROC):
        raise wire.Problem(f"unknown FS magic on {wire.quote(path)}: {kind:x}")
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise wire.Problem(f"open {path}: {words(error)}") from error


def enter(fd: int, path: str) -> None:
    """Make it this process's. Raises wire.Problem."""
    try:
        if hasattr(os, "setns"):
            os.setns(fd, _NEWNET)
        else:
            _setns(fd)
    except OSError as error:
        text = f"error switching to ns {path}: Error switching to ns {path}: {words(error)}"
        raise wire.Problem(text) from error


def is_own(handle: int | str) -> bool:
    """Is it, an open file or a path, the namespace this process is in? Raises OSError."""
    mine, other = os.stat("/proc/self/ns/net"), os.stat(handle)
    return (mine.st_dev, mine.st_ino) == (other.st_dev, other.st_ino)


def words(error: OSError) -> str:
    """The reason as Go spells it."""
    return os.strerror(error.errno or 0).lower()


def _magic(path: str) -> int:
    status = os.stat(path)
    if status.st_dev == os.stat("/proc/self/ns/net").st_dev:
        return _NETNS
    import ctypes

    buffer = ctypes.create_string_buffer(256)
    if _libc().statfs(os.fsencode(path), buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int.from_bytes(buffer.raw[:8], "little") & 0xFFFFFFFF


def _setns(fd: int) -> None:
    """Python 3.11 has no os.setns. The bare extension module is enough, and costs a tenth of ctypes."""
    try:
        import _ctypes

        program: Any = None
        function = _ctypes.dlsym(_ctypes.dlopen(program, 2), "setns")  # RTLD_NOW
        if _ctypes.call_function(function, (fd, _NEWNET)) == 0:
            return
    except (ImportError, AttributeError, OSError):
        pass
    # Once more in a way that tells why it fails.
    if _libc().setns(fd, _NEWNET) != 0:
        import ctypes

        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def is_same_path(path: str) -> bool:
    """Does the path lead to the namespace this process is in? False when it leads nowhere."""
    try:
        return is_own(path)
    except OSError:
        return False
