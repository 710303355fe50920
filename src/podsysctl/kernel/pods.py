"""Which process of this machine belongs to a pod, without asking a runtime.

Every runtime puts a pod's processes into a control group whose name holds the pod's UID (with dashes, or
underscores under systemd), and mounts files from a directory of that name. What shares the host's mount
namespace is no container: CRI-O keeps its monitor in the pod's control group, and entering the namespaces
of that one would be entering the host's. Read only; used to look into a pod from its node.
"""

from __future__ import annotations

import os

from podsysctl.base.errors import KernelError


def find_pid(uid: str) -> int:
    """The lowest process id of the pod with this UID. Raises KernelError when this machine runs none."""
    needles = (uid.encode(), uid.replace("-", "_").encode())
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    host = {_link("/proc/1/ns/mnt"), _link("/proc/self/ns/mnt"), ""}
    inside = [pid for pid in pids if _link(f"/proc/{pid}/ns/mnt") not in host]
    for file in ("cgroup", "mountinfo"):
        for pid in inside:
            content = _read(f"/proc/{pid}/{file}")
            if any(needle in content for needle in needles):
                return pid
    raise KernelError(
        f"no process of this machine belongs to the pod with UID {uid}",
        errno=3,
        hint="run this on the node that runs the pod, as root",
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # the process has ended, or is somebody else's


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
