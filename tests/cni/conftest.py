"""Fixtures: a private network namespace, an allowlist of the test's own, and who may run any of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cni import sandbox
from tests.cni.sandbox import Answer, Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A network namespace with the bridge net1; the host is as before afterwards."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed")
    before = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    with sandbox.sandbox() as out:
        yield out
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


@pytest.fixture
def allowlist(tmp_path: Path) -> Path:
    """A file that allows everything below net; tests write others."""
    path = tmp_path / "allowlist.conf"
    path.write_text("^net\\b\n")
    return path


Call = Callable[..., Answer]


@pytest.fixture
def call(box: Sandbox, allowlist: Path, tmp_path: Path) -> Call:
    """Call our plugin: command, members of the configuration, environment variables."""

    def run(command: str, config: dict[str, Any] | bytes | None = None, **variables: str) -> Answer:
        if not isinstance(config, bytes):
            config = {
                "cniVersion": "1.1.0",
                "name": "tune",
                "type": "podsysctl-tuning",
                "dataDir": str(tmp_path / "data"),
                "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "net1", "sandbox": box.path}]},
                **(config or {}),
            }
        variables = {"PODSYSCTL_TUNING_ALLOWLIST": str(allowlist), **variables}
        return sandbox.run_ours(command, box.path, config, **variables)

    return run
