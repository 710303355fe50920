"""What a container runtime has to know of the machine it runs on, read from /proc and /sys."""

from __future__ import annotations

import os
from pathlib import Path

from podsysctl.runtime.containerd_config import HostTraits

_CAP_SYS_RESOURCE = 24
_NO_OVERLAY_ON = frozenset({"overlay", "fuse.fuse-overlayfs", "nfs", "nfs4", "vfat", "exfat", "9p", "ecryptfs", "aufs"})
"""Filesystems that cannot be the upper layer of an overlay (kernel: Documentation/filesystems/overlayfs.rst)."""


def read(root: Path, cgroup_driver: str) -> HostTraits:
    """The traits for a runtime whose images are at `root`, which exists."""
    return HostTraits(
        snapshotter=snapshotter_for(filesystem_of(root, os.fsdecode(Path("/proc/self/mountinfo").read_bytes()))),
        apparmor=has_apparmor(),
        may_lower_oom_score=has_capability(Path("/proc/self/status").read_text(), _CAP_SYS_RESOURCE),
        cgroup_driver=cgroup_driver,
    )


def boot_id() -> str:
    """A text that is another after every boot (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def snapshotter_for(filesystem: str) -> str:
    """overlayfs where the kernel can stack on the filesystem, else native, which copies.

    >>> snapshotter_for("ext4"), snapshotter_for("overlay")
    ('overlayfs', 'native')
    """
    return "native" if filesystem in _NO_OVERLAY_ON else "overlayfs"


def filesystem_of(path: Path, mountinfo: str) -> str:
    """The type of the filesystem that holds a path, from the text of /proc/self/mountinfo (proc(5))."""
    best, kind = "", ""
    real = os.path.realpath(path)
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        target = left.split()[4]
        covers = target == "/" or real == target or real.startswith(f"{target}/")
        if covers and len(target) >= len(best):
            best, kind = target, right.split()[0]
    return kind


def has_apparmor(sys: Path = Path("/sys")) -> bool:
    """Whether the kernel enforces AppArmor profiles and the tool that loads them is there."""
    enabled = sys / "module/apparmor/parameters/enabled"
    parser = any(Path(place, "apparmor_parser").exists() for place in ("/sbin", "/usr/sbin"))
    mounted = (sys / "kernel/security/apparmor").exists()  # containerd looks for it as well
    return parser and mounted and enabled.exists() and enabled.read_text().startswith("Y")


def has_capability(status: str, number: int) -> bool:
    """Whether a process has a capability in effect, from the text of its /proc status file (proc(5)).

    >>> has_capability("CapEff:\\t0000000000000003\\n", 1)
    True
    """
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False
