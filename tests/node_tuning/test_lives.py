"""Over random profiles, switches and crashes the host always ends at its originals, and is never in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podsysctl.sysctls.name import SysctlName

SCRATCH = {
    "net.core.somaxconn": ["128", "4096", ">500", "<300", ">100000", "-1"],
    "net.ipv4.tcp_fin_timeout": ["60", "30", ">45", "17"],
    "net.ipv4.ip_local_port_range": ["32768 60999", "1024 65000", "2000\t3000"],
    "net.ipv4.ipfrag_high_thresh": ["4194304", "5000000", "1000", "6000000"],
    "net.ipv4.ipfrag_low_thresh": ["3145728", "4500000", "900", "5500000"],
    "kernel.msgmax": ["8192", "65536", ">9000"],
    "kernel.shmmni": ["4096", "5000", ">4500", "<4000"],
    "net.ipv4.conf.all.rp_filter": ["0", "1", "2"],
}
"""Parameters of network and IPC namespaces, so that the machine itself is never touched, and values for them: present,
other, guarded ones, and some that the kernel refuses (a low threshold above the high one)."""

BOUNDS = ["net.core.somaxconn = >=1000", "net.core.somaxconn = <=200", "kernel.shmmni = 4100..4700",
          "kernel.msgmax = >=8192"]  # fmt: skip
HOST = {
    "fs.lease-break-time": ["45", "44", ">50", "<40"],
    "vm.dirtytime_expire_seconds": ["43200", "3", ">50000", "-1"],
    "vm.dirty_expire_centisecs": ["3000", "2999", ">3001"],
    "fs.inotify.max_queued_events": ["16384", "20000", ">18000"],
    "vm.dirty_background_bytes": ["1073741824", "2147483648"],
    "vm.dirty_background_ratio": ["10", "11", "101"],
}
"""Harmless parameters of the machine itself; the last two reset each other."""

HOST_BOUNDS = ["fs.lease-break-time = >=60", "fs.inotify.max_queued_events = >=17000",
               "vm.dirtytime_expire_seconds = 1..2"]  # fmt: skip
FILES = [str(path) for path in Path("/sys/kernel/mm/ksm").glob("sleep_millisecs")]
"""A harmless file of /sys: how long a kernel thread sleeps that does nothing by default."""

NODES = ("a", "b")


def start(*before: str) -> subprocess.Popen[str]:
    """A process that plays scenarios."""
    command = [*before, sys.executable, "-m", "tests.node_tuning.scenario_driver"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> None:
    """No more scenarios."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.wait(timeout=10)


@pytest.fixture(scope="module")
def driver() -> Iterator[subprocess.Popen[str]]:
    """A process in namespaces of its own that plays scenarios."""
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces are made directly")
    process = start("unshare", "--net", "--ipc", "--uts")
    yield process
    end(process)


@pytest.fixture
def host_driver(host: dict[SysctlName, str]) -> Iterator[subprocess.Popen[str]]:
    """A process on the host, whose harmless parameters are put back whatever happens."""
    process = start()
    yield process
    end(process)


def play(driver: subprocess.Popen[str], scenario: dict[str, Any]) -> list[str]:
    """What went wrong in a scenario."""
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(json.dumps(scenario) + "\n")
    driver.stdin.flush()
    found: list[str] = json.loads(driver.stdout.readline())["wrong"]
    return found


@st.composite
def profiles(
    draw: st.DrawFn, scratch: dict[str, list[str]], bounds: list[str], files: list[str]
) -> dict[str, str]:
    """A tree of up to five profiles, each of which may include earlier ones."""
    out: dict[str, str] = {}
    for index in range(draw(st.integers(1, 5))):
        included = draw(st.lists(st.sampled_from(sorted(out)), unique=True, max_size=2)) if out else []
        text = f"[main]\ninclude={','.join(included)}\n" if included else ""
        names = draw(st.lists(st.sampled_from(sorted(scratch)), unique=True, max_size=4))
        text += "[sysctl]\n" + "".join(f"{name}={draw(st.sampled_from(scratch[name]))}\n" for name in names)
        if draw(st.booleans()):
            text += f"[requirements]\n{draw(st.sampled_from(bounds))}\n"
        if files and draw(st.booleans()):
            text += f"[sysfs]\n{draw(st.sampled_from(files))}={draw(st.sampled_from(['20', '21', '22', 'x']))}\n"
        out[f"p{index}"] = text
    return out


@st.composite
def scenarios(
    draw: st.DrawFn, scratch: dict[str, list[str]], bounds: list[str], files: list[str]
) -> dict[str, Any]:
    """Up to four lives of up to five wishes, most of which end by a crash."""
    found = draw(profiles(scratch, bounds, files))
    wishes = st.tuples(st.sampled_from(NODES), st.none() | st.sampled_from(sorted(found)))
    lives = st.fixed_dictionaries(
        {
            "wishes": st.lists(wishes, min_size=1, max_size=5),
            "closes": st.booleans(),
            "dies_at": st.none() | st.integers(0, 40),
        }
    )
    played = draw(st.lists(lives, min_size=1, max_size=4))
    return {"names": sorted(scratch), "files": files, "profiles": found, "lives": played}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scenario=scenarios(SCRATCH, BOUNDS, []))
def test_lives_random_profiles_and_crashes_end_at_the_originals(
    driver: subprocess.Popen[str], scenario: dict[str, Any]
) -> None:
    """Apply, switch, remove, crash at any write, start again: only whole profiles, and in the end the originals."""
    assert play(driver, scenario) == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scenario=scenarios(HOST, HOST_BOUNDS, FILES))
def test_lives_on_the_host_itself_end_at_its_originals(
    host_driver: subprocess.Popen[str], scenario: dict[str, Any]
) -> None:
    """The same over node-level parameters, among them two that reset each other."""
    assert play(host_driver, scenario) == []
