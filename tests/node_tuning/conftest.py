"""Parameters of the host that a test may move: harmless ones, put back whatever happens, by one test at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podsysctl.kernel import procsys
from podsysctl.sysctls.name import SysctlName, parse_name

HARMLESS = (
    "fs.lease-break-time", "vm.dirtytime_expire_seconds", "vm.dirty_expire_centisecs", "fs.inotify.max_queued_events",
    "vm.dirty_background_bytes", "vm.dirty_background_ratio",
)  # fmt: skip


@pytest.fixture
def host() -> Iterator[dict[SysctlName, str]]:
    """The originals, by name. They must be there again when the test has ended, and are in any case afterwards."""
    if os.geteuid() != 0:
        pytest.skip("needs root: values of the host are moved and put back")
    with Path("/tmp/podsysctl-test-host-values.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = {name: procsys.read(name) for name in map(parse_name, HARMLESS)}
        try:
            yield before
            assert {name: procsys.read(name) for name in before} == before
        finally:
            for name, value in before.items():
                if procsys.read(name) != value and not (name.dotted.endswith("_bytes") and value == "0"):
                    procsys.write(name, value)
