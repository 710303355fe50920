"""How a file below /proc/sys is opened: beneath it, without following any link, by a name that was parsed.

Part of the kernel edge; reading and writing values is `procsys.py`, which alone opens for writing.
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

from podsysctl.base.errors import KernelError
from podsysctl.sysctls.name import SysctlName

ROOT = "/proc/sys"

_OPENAT2 = 437
_SAME_NUMBER = frozenset({"x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "loongarch64", "i686", "armv7l"})
_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 1, 2, 4, 8


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


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

    openat2(2) refuses links, `..` and mount points on the way; a kernel before 5.6 is walked part by part
    instead.
    """
    if _has_openat2():
        how = _OpenHow(
            flags | os.O_CLOEXEC,
            0,
            _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH,
        )
        path = os.fsencode(name.path)
        fd = _libc().syscall(_OPENAT2, root, path, ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return int(fd)
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name.proc_path)
    return _open_by_parts(root, name, flags)


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


@cache
def _has_openat2() -> bool:
    if platform.machine() not in _SAME_NUMBER:
        return False
    how = _OpenHow(os.O_PATH | os.O_CLOEXEC, 0, 0)
    fd = _libc().syscall(_OPENAT2, -100, b"/", ctypes.byref(how), ctypes.sizeof(how))
    if fd < 0:
        return False
    os.close(fd)
    return True


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
