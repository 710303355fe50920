"""A cluster whose profiles the real TuneD applies, in a mount namespace of its own; prints what was seen.

Run it in a new mount namespace with private propagation.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.e2e import test_tuning as tuning
from tests.e2e.cluster import Cluster, wait_until

ETC = Path("/etc/tuned")
NODE = "tuned-node"


def main() -> None:
    """Isolate, play, print."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(ETC, copy, dirs_exist_ok=True)
        Path("/run/tuned").mkdir(exist_ok=True)
        for place in ("/run/tuned", "/var/lib/tuned", str(ETC)):
            if Path(place).is_dir():
                subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        shutil.copytree(copy, ETC, dirs_exist_ok=True)
    print(json.dumps(play()))


def listing() -> dict[str, str]:
    """TuneD's directory."""
    return {str(path): path.read_text() for path in sorted(ETC.rglob("*")) if path.is_file()}


def value() -> str:
    """What the kernel shows."""
    return tuning.SWAPPINESS.read_text().strip()


def play() -> dict[str, Any]:
    """Applied, told of an error, killed with its parent, found again, taken away."""
    files = listing()
    seen: dict[str, Any] = {"before": value()}
    cluster = Cluster("--node-name", NODE, "--tuned-engine=tuned")
    cluster.start()
    try:
        cluster.podsysctl("label", "node", NODE, "sysctl-profile=swap-late")
        tuning.apply(cluster, tuning.tuned())
        tuning.wait_applied(cluster, NODE, "swap-late")
        seen["applied"] = [value(), tuning.condition(cluster, NODE, "Degraded")["reason"]]
        tuning.apply(cluster, tuning.tuned(f"{tuning.NAME}=74\nvm.nowhere=1"))
        wait_until(lambda: tuning.condition(cluster, NODE, "Degraded").get("reason") == "TunedError", 30, "an error")
        seen["error"] = [value(), tuning.condition(cluster, NODE, "Degraded")["message"]]
        cluster.kill()
        first = tuned_pid(cluster)
        seen["killed"] = value()
        cluster.start()
        wait_until(lambda: tuned_pid(cluster) not in (None, first), 30, "TuneD to run again")
        wait_until(lambda: value() == "74", 30, "TuneD to apply the profile again")
        seen["orphan is gone"] = not lives(first)
        cluster.kill()
        last = tuned_pid(cluster)
    finally:
        cluster.destroy()
    seen["after"] = [value(), listing() == files, lives(last)]
    return seen


def lives(pid: int | None) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def tuned_pid(cluster: Cluster) -> int | None:
    """TuneD's process."""
    try:
        return int((cluster.data_dir / "tuned.pid").read_text())
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    main()
