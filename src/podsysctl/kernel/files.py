"""How a file below /proc/sys is opened: beneath it, without following any link, by a name that was parsed.

Part of the kernel edge; reading and writing values is `procsys.py`, which alone opens for writing.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from podsysctl.base.errors import KernelError
from podsysctl.sysctls.name import SysctlName

if TYPE_CHECKING:
    import ctypes

ROOT = "/proc/sys"

_OPENAT2 = 437
_AT_FDCWD = -100
_LITTLE = sys.byteorder == "little"
_SAME_NUMBER = frozenset({"x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "loongarch64", "i686", "armv7l"})
_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 1, 2, 4, 8


def open_root() -> int:
    """A directory handle on /proc/sys. Raises KernelError when that is not the kernel's own tree."""
    try:
        fd = os.open(ROOT, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        if os.fstat(fd).st_dev != os.stat("/proc/self/ns").st_dev:
            os.close(fd)
            raise KernelError(f"{ROOT} is not part of the proc file system", errno=0)
    except OSError as error:
        raise KernelError(f"cannot open {ROOT}: {error.strerror}", errno=error.errno or 0) from error
    return fd


def open_below(root: int, name: SysctlName, flags: int) -> int:
    """Open one parameter's file below the handle. Raises OSError.

    openat2(2) refuses links, `..` and mount points on the way; a kernel before 5.6 is walked part by part instead.
    """
    if not _has_openat2():
        return _open_by_parts(root, name, flags)
    beneath = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH
    fd = _openat2(root, os.fsencode(name.path), flags | os.O_CLOEXEC, beneath)
    if fd < 0:
        raise OSError(-fd, os.strerror(-fd), name.proc_path)
    return fd


def _open_by_parts(root: int, name: SysctlName, flags: int) -> int:
    directory = root
    try:
        for part in name.segments[:-1]:
            step = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            if directory != root:
                os.close(directory)
            directory = step
        return os.open(name.segments[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    finally:
        if directory != root:
            os.close(directory)


def _openat2(root: int, path: bytes, flags: int, resolve: int) -> int:
    """The system call: a descriptor, or the negative errno."""
    import ctypes

    how = flags.to_bytes(8, "little" if _LITTLE else "big") + bytes(8)
    how += resolve.to_bytes(8, "little" if _LITTLE else "big")
    fd = int(_libc().syscall(_OPENAT2, root, path, how, len(how)))
    return fd if fd >= 0 else -ctypes.get_errno()


@cache
def _has_openat2() -> bool:
    if os.uname().machine not in _SAME_NUMBER:
        return False
    fd = _openat2(_AT_FDCWD, b"/", os.O_PATH | os.O_CLOEXEC, 0)
    if fd < 0:
        return False
    os.close(fd)
    return True


@cache
def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
