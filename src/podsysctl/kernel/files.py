"""How a file below /proc/sys is opened: beneath it, without following any link, by a name that was parsed.

Part of the kernel edge; the bytes of a file are `procfile.py`'s, what they mean to callers `procsys.py`'s.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Literal

from podsysctl.base.errors import KernelError
from podsysctl.kernel import procfile
from podsysctl.sysctls.name import SysctlName

if TYPE_CHECKING:
    import ctypes

ROOT = procfile.ROOT

_OPENAT2 = 437
_AT_FDCWD = -100
_LITTLE = sys.byteorder == "little"
_SAME_NUMBER = frozenset({"x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "loongarch64", "i686", "armv7l"})
_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 1, 2, 4, 8
_BENEATH = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH


def open_root() -> int:
    """A directory handle on /proc/sys. Raises KernelError when that is not the kernel's own tree."""
    try:
        return procfile.open_root()
    except OSError as error:
        raise KernelError(f"cannot open {ROOT}: {error.strerror}", errno=error.errno or 0) from error


def open_below(root: int, name: SysctlName, flags: int) -> int:
    """Open one parameter's file below the handle. Raises OSError.

    openat2(2) refuses links, `..` and mount points on the way; a kernel before 5.6 is walked part by part instead.
    """
    return open_parts(root, name.segments, flags)


def open_parts(directory: int, parts: tuple[str, ...], flags: int) -> int:
    """The same below any directory of the tree, by the parts of a name or the last ones of it. Raises OSError."""
    if not _has_openat2():
        return procfile.open_by_parts(directory, parts, flags)
    fd = _openat2(directory, os.fsencode("/".join(parts)), flags | os.O_CLOEXEC, _BENEATH)
    if fd < 0:
        raise OSError(-fd, os.strerror(-fd), "/".join(parts))
    return fd


def _openat2(root: int, path: bytes, flags: int, resolve: int) -> int:
    """The system call: a descriptor, or the negative errno."""
    how = _how(flags, resolve)
    fd: int = _libc().syscall(_OPENAT2, root, path, how, len(how))
    if fd >= 0:
        return fd
    import ctypes

    return -ctypes.get_errno()


@cache
def _how(flags: int, resolve: int) -> bytes:
    """struct open_how of linux/openat2.h, with no mode."""
    order: Literal["little", "big"] = "little" if _LITTLE else "big"
    return flags.to_bytes(8, order) + bytes(8) + resolve.to_bytes(8, order)


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
