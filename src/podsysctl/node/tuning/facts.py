"""What profiles may ask of this machine: read once, when the process starts."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.sysctls.tuned.plan import MachineFacts
from podsysctl.sysctls.value import ValueKind, ValueSpec, parse_value

_DETECT_S = 5.0
_CPU = Path("sys/devices/system/cpu")


def measure(root: Path = Path("/")) -> MachineFacts:
    """Virtualization, processors and the files that functions of the language look at. What is absent is left out."""
    cpus = _online(root)
    paths = [root / "proc/cpuinfo", root / _CPU / "present"]
    paths += [root / _CPU / f"cpu{number}/topology/physical_package_id" for number in cpus]
    paths += sorted((root / "etc/tuned").glob("*.conf"))
    texts = []
    for path in paths:
        try:
            texts.append((f"/{path.relative_to(root)}", path.read_text(encoding="utf-8", errors="replace")))
        except OSError:
            continue
    return MachineFacts(_virtualization(), cpus, tuple(texts), " ".join(os.uname()))


def _online(root: Path) -> tuple[int, ...]:
    try:
        text = (root / _CPU / "online").read_text()
        ranges = parse_value(ValueSpec(ValueKind.BITMAP, 0), text).numbers
    except (OSError, ValueSyntaxError):
        return tuple(range(os.cpu_count() or 1))
    return tuple(n for low, high in zip(ranges[::2], ranges[1::2], strict=True) for n in range(low, high + 1))


def _virtualization() -> str:
    """The word of systemd-detect-virt; `none` where that is not installed."""
    program = shutil.which("systemd-detect-virt")
    if program is None:
        return "none"
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=_DETECT_S, check=False)
    except subprocess.TimeoutExpired:
        return "none"
    return done.stdout.strip() or "none"
