"""Plays TuneD's part of a node in namespaces of its own: mounts what TuneD writes to, and prints what was seen.

Run it in new mount, net, ipc and uts namespaces.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from podsysctl.base.errors import PodsysctlError
from podsysctl.kernel import procsys
from podsysctl.node.tuning import tuned_daemon
from podsysctl.node.tuning.tuned_daemon import TunedDaemon
from tests.node_tuning.builders import name

SOMAXCONN, FIN = name("net.core.somaxconn"), name("net.ipv4.tcp_fin_timeout")
ETC = Path("/etc/tuned")


def main() -> None:
    """Apply, switch, refuse, crash, restore."""
    isolate()
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        print(json.dumps(play(Path(folder))))


def isolate() -> None:
    """Nothing that TuneD writes reaches the machine's files."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(ETC, copy, dirs_exist_ok=True)
        for place in ("/run", "/var/lib/tuned", "/var/log/tuned", str(ETC)):
            if os.path.isdir(place):
                subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        shutil.copytree(copy, ETC, dirs_exist_ok=True)
    Path("/run/tuned").mkdir()


def values() -> list[str]:
    """What the kernel shows in this network namespace."""
    return [procsys.read(SOMAXCONN), procsys.read(FIN)]


def listing() -> dict[str, str]:
    """TuneD's directory."""
    return {str(path): path.read_text() for path in sorted(ETC.rglob("*")) if path.is_file()}


def play(folder: Path) -> dict[str, Any]:
    """What each step gives."""
    seen: dict[str, Any] = {"before": values()}
    files = listing()
    daemon = TunedDaemon(folder)
    text = "[sysctl]\nnet.core.somaxconn=777\nnet.ipv4.tcp_fin_timeout=33\n"
    finding = daemon.apply("p", {"p": text}, [SOMAXCONN, FIN])
    seen["applied"] = [finding.applied, finding.degraded, finding.reason, values()]
    finding = daemon.apply("q", {"q": "[sysctl]\nnet.core.somaxconn=778\nnet.core.nowhere=1\n"}, [SOMAXCONN])
    seen["error"] = [finding.applied, finding.reason, finding.text, values()]
    (ETC / "foreign").mkdir()
    try:
        daemon.apply("foreign", {"foreign": "[main]\n"}, [])
    except PodsysctlError as error:
        seen["foreign"] = error.message
    (ETC / "foreign").rmdir()
    seen["stopped"] = [values(), listing() == files]
    daemon.apply("p", {"p": "[sysctl]\nnet.core.somaxconn=777\n"}, [SOMAXCONN])
    pid = int((folder / "tuned.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    seen["killed"] = values()
    tuned_daemon.restore(folder)
    seen["restored"] = [values(), listing() == files, sorted(path.name for path in folder.iterdir())]
    return seen


if __name__ == "__main__":
    main()
