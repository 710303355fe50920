"""Facts of this machine that a Node object shows: processors, memory, disk, kernel, operating system, identity."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from podsysctl.runtime import hosttraits

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "s390x": "s390x", "ppc64le": "ppc64le"}


@dataclass(frozen=True, slots=True)
class Machine:
    """`memory_bytes` and `disk_bytes` are totals; `architecture` is Go's name for it."""

    processors: int
    memory_bytes: int
    disk_bytes: int
    kernel_version: str
    os_image: str
    architecture: str
    machine_id: str
    system_uuid: str
    boot_id: str
    huge_pages: dict[str, int]
    has_app_armor: bool


def read(root: Path) -> Machine:
    """Read the machine; `root` is a path on the file system whose size counts as the node's disk."""
    name = os.uname()
    return Machine(
        processors=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        disk_bytes=shutil.disk_usage(root).total,
        kernel_version=name.release,
        os_image=_os_image(),
        architecture=_ARCHITECTURES.get(name.machine, name.machine),
        machine_id=_first_line("/etc/machine-id"),
        system_uuid=_first_line("/sys/class/dmi/id/product_uuid") or _first_line("/etc/machine-id"),
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        huge_pages=_huge_pages(),
        has_app_armor=hosttraits.has_apparmor(),
    )


def _memory_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip().split("\n")[0]
    except OSError:
        return ""


def _huge_pages() -> dict[str, int]:
    """Reserved huge pages in bytes by the name of their resource, such as hugepages-2Mi."""
    out = {}
    root = Path("/sys/kernel/mm/hugepages")
    for directory in sorted(root.glob("hugepages-*kB")):
        size_kib = int(directory.name.removeprefix("hugepages-").removesuffix("kB"))
        shown = f"{size_kib // 1048576}Gi" if size_kib % 1048576 == 0 else f"{size_kib // 1024}Mi"
        count = _first_line(f"{directory}/nr_hugepages")
        out[f"hugepages-{shown}"] = int(count or 0) * size_kib * 1024
    return out


def default_address() -> str:
    """The address this machine uses towards the outside; no packet is sent. 127.0.0.1 without a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
