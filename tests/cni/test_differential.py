"""Our plugin in upstream's mode against the distribution's own, on random configurations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cni import sandbox

TOP = Path(__file__).resolve().parents[2]
CASES = int(os.environ.get("PODSYSCTL_CNI_CASES", "60"))


@pytest.mark.root
def test_upstream_mode_equals_the_distributions_plugin() -> None:
    """Same exit code, same output, same kernel state and same backup file for every configuration.

    It runs in a process of its own, since our plugin is called in forks: a fork of a process that has threads, as
    pytest has after gRPC was used, may wait for ever for a lock that no thread holds any more.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    if not Path(sandbox.DISTRIBUTION).exists():
        pytest.skip(f"{sandbox.DISTRIBUTION} is not installed (package containernetworking-plugins)")
    call = [sys.executable, "-m", "tests.cni.differential", str(CASES), "20"]
    done = subprocess.run(call, cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 differences\n", "")


def test_call_without_a_command_tells_what_it_is() -> None:
    """As CNI plugins do, on standard error, with exit code 0."""
    answer = sandbox.run_ours("", "", b"", CNI_CONTAINERID="", CNI_IFNAME="")
    assert (answer.code, answer.text) == (0, "")
