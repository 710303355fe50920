"""What one ADD of the tuning plugin costs as a process, beside the interpreter alone and upstream's. Needs root."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Row
from podsysctl.cni import install

HELP = "the tuning CNI plugin: one ADD as a process"

KEYS = (
    "net.ipv4.conf.IFNAME.rp_filter",
    "net.ipv4.conf.IFNAME.accept_redirects",
    "net.ipv4.conf.IFNAME.send_redirects",
    "net.ipv4.conf.IFNAME.secure_redirects",
    "net.ipv6.conf.IFNAME.accept_ra",
)
UPSTREAM = "/usr/lib/cni/tuning"
TIMES = 60


def run() -> list[Row]:
    """Five keys through our program and upstream's, in a network namespace of their own."""
    name = f"psx-bench-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "add", "net1", "type", "bridge"], check=True)
        with tempfile.TemporaryDirectory() as directory:
            return _rows(Path(directory), f"/run/netns/{name}")
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def _rows(directory: Path, netns: str) -> list[Row]:
    allowlist = directory / "allowlist.conf"
    allowlist.write_text("".join(f"^{key}$\n" for key in KEYS))
    config = {
        "cniVersion": "1.0.0",
        "name": "bench",
        "type": "tuning",
        "dataDir": str(directory / "data"),
        "sysctl": dict.fromkeys(KEYS, "0"),
        "prevResult": {"cniVersion": "1.0.0", "interfaces": [{"name": "net1", "sandbox": netns}]},
    }
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c",
        "CNI_NETNS": netns,
        "CNI_IFNAME": "net1",
        "CNI_PATH": "/x",
        "PODSYSCTL_TUNING_ALLOWLIST": str(allowlist),
    }
    data = json.dumps(config).encode()
    interpreter = _measure([os.path.realpath(sys.executable), "-IS", "-c", "pass"], environment, data)
    ours = _measure([str(install.install(directory))], environment, data)
    theirs = _measure([UPSTREAM], environment, data)
    return [
        Row(
            f"{label} of one ADD of five sysctls",
            f"{ours[key]:.1f} ms",
            f"interpreter alone {interpreter[key]:.1f} ms, upstream's tuning {theirs[key]:.1f} ms",
            "at most 30 ms",
        )
        for key, label in (
            ("wall", "median time"),
            ("least", "shortest time"),
            ("processor", "processor time (median)"),
        )
    ]


def _measure(command: list[str], environment: dict[str, str], data: bytes) -> dict[str, float]:
    """Milliseconds of many runs: median and least wall time, median processor time."""
    walls, processors = [], []
    for _ in range(TIMES):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, input=data, env=environment, capture_output=True, check=True)
        walls.append((time.perf_counter() - began) * 1000)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        processors.append(used * 1000)
    return {"wall": sorted(walls)[TIMES // 2], "least": min(walls), "processor": sorted(processors)[TIMES // 2]}
