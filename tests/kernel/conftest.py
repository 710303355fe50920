"""Processes in namespaces of their own, and a check that the host is left as it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from podsysctl.cli.sysctl_export import VOLATILE
from podsysctl.kernel import procsys

MOVING = VOLATILE


@pytest.fixture
def root() -> None:
    """Skip without root."""
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces are made directly")


@pytest.fixture
def other_process(root: None) -> Iterator[int]:
    """The process id of a process with net, ipc and uts namespaces of its own."""
    process = subprocess.Popen(
        ["unshare", "--net", "--ipc", "--uts", "sh", "-c", "echo ready; exec sleep 60"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


def host_values() -> dict[str, str]:
    """What the host shows now, counters and other programs' interfaces aside."""
    return {
        name.dotted: value
        for name, value in procsys.read_tree()
        if isinstance(value, str)
        and name.dotted not in MOVING
        and not name.dotted.startswith("fs.quota.")
        and (not name.is_interface_specific or name.segments[3] in ("all", "default", "lo"))
    }


@pytest.fixture
def unchanged_host() -> Iterator[None]:
    """Fail when the test changed a value of the host."""
    before = host_values()
    yield
    after = host_values()
    assert {name: (before[name], after.get(name)) for name in before if before[name] != after.get(name)} == {}
