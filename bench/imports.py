"""What importing each dependency costs, in CPU time and resident memory (the table of docs/dependencies.md)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from bench import Row

HELP = "CPU time and memory of importing each dependency, and of the commands' own start"

RUNS = 7
PRESENT = ("asyncio", "ssl", "json", "logging", "dataclasses", "typing", "email", "urllib.request", "http.client")
MODULES = (
    "aiohttp",
    "uvloop",
    "orjson",
    "grpc.aio",
    "podsysctl.runtime.cri_pb2",
    "yaml",
    "cryptography.x509",
    "re2",
    "pyroute2",
    "jsonschema_rs",
    "prometheus_client",
    "rich.console",
)
PROGRAM = """
import importlib, resource, sys
def cost():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(open("/proc/self/statm").read().split()[1])
    return (usage.ru_utime + usage.ru_stime) * 1000, pages * resource.getpagesize() / 2**20
for name in sys.argv[2].split(","):
    importlib.import_module(name)
before = cost()
importlib.import_module(sys.argv[1])
after = cost()
print(after[0] - before[0], after[1] - before[1])
"""


def measure(module: str, present: Sequence[str] = PRESENT) -> tuple[float, float] | None:
    """Milliseconds and megabytes that importing a module adds, the best of several; None if it is absent."""
    best: tuple[float, float] | None = None
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, module, ",".join(present)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return None
        spent_ms, size_mb = map(float, done.stdout.split())
        best = (min(spent_ms, best[0]), min(size_mb, best[1])) if best else (spent_ms, size_mb)
    return best


def run() -> list[Row]:
    """One row per dependency, and one for the client library beside what its peers were measured at."""
    rows = []
    for module in MODULES:
        cost = measure(module)
        rows.append(Row(f"import {module}", f"{cost[0]:.0f} ms, {cost[1]:.1f} MB" if cost else "not installed"))
    own = measure("podsysctl.client.informer", (*PRESENT, "aiohttp", "yaml", "uvloop"))
    if own is not None:
        peer = "lightkube 141 ms, 5.1 MB; kr8s 599 ms, 18.3 MB"
        rows.append(Row("podsysctl.client beside aiohttp", f"{own[0]:.0f} ms, {own[1]:.1f} MB", peer, "100 ms, 10 MB"))
    return rows
