"""What cannot be tried inside a chroot, and how to tell."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache

import pytest


@lru_cache(maxsize=1)
def is_chroot() -> bool:
    """Whether our root directory is not that of our mount namespace: the kernel then refuses root a user namespace."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "--user", "true"], capture_output=True, text=True, check=False)
    return done.returncode != 0 and "Operation not permitted" in done.stderr


outside_chroot = pytest.mark.skipif(
    is_chroot(),
    reason="our root is a chroot, and the kernel lets nobody make a user namespace there",
)


@lru_cache(maxsize=1)
def _has_root_mount() -> bool:
    """Whether unshare(1) can make a mount namespace: it changes the propagation of the mount at our root directory."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return True
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


with_root_mount = pytest.mark.skipif(
    not _has_root_mount(), reason="nothing is mounted at our root directory, which unshare(1) needs for --mount"
)
