"""Reading kernel parameters beside procps and nsenter, the probe, the dry run, and one page of `explain`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench import Row, median_s, seconds
from podsysctl.kernel import dry_run, probe, procsys
from podsysctl.kernel.namespaces import Namespaces
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.catalogue import Access
from podsysctl.sysctls.kernel_facts import InPod
from podsysctl.sysctls.name import SysctlName, parse_name

HELP = "kernel parameters: listing, reading pods, probe, dry run, explain"

PODS = 100
NAMES_PER_POD = 20
RUNS = 15
_PROGRAM = str(Path(sys.executable).parent / "podsysctl")


def run() -> list[Row]:
    """All rows; needs root for the namespaces."""
    return [_listing(), _reading_pods(), *_asking_the_kernel(), _explaining()]


def _quiet(*command: str) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _listing() -> Row:
    """Interleaved, so that both meet the same load."""
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(median_s(lambda: _quiet(_PROGRAM, "sysctl", "list"), 1))
        theirs.append(median_s(lambda: _quiet("sysctl", "-a"), 1))
    mine, peer = sorted(ours)[RUNS // 2], sorted(theirs)[RUNS // 2]
    return Row(
        f"list all {len(procsys.list_names())} parameters, process included",
        f"{seconds(mine)} ({mine / peer:.2f} x)",
        f"`sysctl -a` {seconds(peer)}",
        "at most 2 x",
    )


def _names() -> list[SysctlName]:
    facts = probe.measure().facts.values()
    own = [fact.name for fact in facts if fact.in_pod is InPod.OWN and fact.access is Access.READ_WRITE]
    plain = [parse_name(name) for name in own if "IFNAME" not in name and not name.endswith("FAMILY")]
    return [name for name in plain if name.dotted.startswith("net.ipv4.")][:NAMES_PER_POD]


def _reading_pods() -> Row:
    names = _names()
    sleepers = [
        subprocess.Popen(
            ["unshare", "--net", "--ipc", "--uts", "sh", "-c", "echo; exec sleep 300"], stdout=subprocess.PIPE
        )
        for _ in range(PODS)
    ]
    try:
        for sleeper in sleepers:
            if sleeper.stdout is None or not sleeper.stdout.readline():
                raise SystemExit("cannot make namespaces: run as root")
        targets = [Namespaces.of_pid(sleeper.pid) for sleeper in sleepers]
        ours = median_s(lambda: procsys.read_each(names, targets), RUNS)
        dotted = [name.dotted for name in names]

        def enter_each() -> None:
            for sleeper in sleepers:
                _quiet("nsenter", "-t", str(sleeper.pid), "-n", "-i", "-u", "sysctl", "-n", *dotted)

        peer = median_s(enter_each, 3)
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.communicate()
    return Row(
        f"read {len(names)} parameters of {PODS} pods from outside",
        f"{seconds(ours)} ({ours / peer:.3f} x)",
        f"`nsenter sysctl` per pod {seconds(peer)}",
        "at most 0.1 x",
    )


def _asking_the_kernel() -> list[Row]:
    values = {name: procsys.read(name) for name in _names()}
    return [
        Row("probe every parameter of this kernel", seconds(median_s(probe.measure, 5)), "", "0.5 s"),
        Row("the same with the leak test", seconds(median_s(lambda: probe.measure(write=True), 5))),
        Row(
            f"try {len(values)} values in throw-away namespaces",
            seconds(median_s(lambda: dry_run.try_values(values), 10)),
        ),
    ]


def _explaining() -> Row:
    names = [row.name for row in catalogue.every()][::40]
    times = []
    for name in names:
        began = time.perf_counter()
        _quiet(_PROGRAM, "explain", name)
        times.append(time.perf_counter() - began)
    times.sort()
    return Row(
        f"explain a parameter, process included ({len(names)} of them)",
        f"{seconds(times[len(times) // 2])}, slowest {seconds(times[-1])}",
        "",
        "150 ms",
    )
