"""What functions of tuning profiles ask of this machine, read once: processors, virtualization, uname."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from podsysctl.sysctls.tuned import cpulist
from podsysctl.sysctls.tuned.plan import MachineFacts

_CPU = "/sys/devices/system/cpu"
_DETECT_TIMEOUT_S = 5


def read_machine_facts(root: Path = Path("/")) -> MachineFacts:
    """The facts of the machine whose files are below `root`; what cannot be read is left out.

    Files of variables, which profiles include, are those of /etc/tuned.
    """
    online = cpulist.unpack(_text(root, f"{_CPU}/online").strip()) or list(range(os.cpu_count() or 1))
    topology = [f"{_CPU}/cpu{cpu}/topology/physical_package_id" for cpu in online]
    variables = [f"/etc/tuned/{path.name}" for path in sorted((root / "etc/tuned").glob("*.conf"))]
    paths = ("/proc/cpuinfo", f"{_CPU}/present", *topology, *variables)
    return MachineFacts(
        virtualization=_virtualization(root),
        cpus=tuple(online),
        files=tuple((path, text) for path in paths if (text := _text(root, path))),
        uname=" ".join(os.uname()),
    )


def _text(root: Path, path: str) -> str:
    try:
        return (root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _virtualization(root: Path) -> str:
    """What systemd-detect-virt says; where it is missing, whether the processor knows of a hypervisor."""
    if root == Path("/") and (command := shutil.which("systemd-detect-virt")):
        try:
            done = subprocess.run(
                [command],
                capture_output=True,
                text=True,
                timeout=_DETECT_TIMEOUT_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            pass
        else:
            if done.stdout.strip():
                return done.stdout.strip()
    flags = [line for line in _text(root, "/proc/cpuinfo").splitlines() if line.startswith("flags")]
    return "vm" if flags and "hypervisor" in flags[0].split() else "none"
