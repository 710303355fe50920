"""Our plugin in upstream's mode against the distribution's own, on random configurations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cni import differential, sandbox

CASES = int(os.environ.get("PODSYSCTL_CNI_CASES", "60"))


@pytest.mark.root
def test_upstream_mode_equals_the_distributions_plugin() -> None:
    """Same exit code, same output, same kernel state and same backup file for every configuration."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    if not Path(sandbox.DISTRIBUTION).exists():
        pytest.skip(f"{sandbox.DISTRIBUTION} is not installed (package containernetworking-plugins)")
    assert differential.compare(CASES, seed=20) == []


def test_call_without_a_command_tells_what_it_is() -> None:
    """As CNI plugins do, on standard error, with exit code 0."""
    answer = sandbox.run_ours("", "", b"", CNI_CONTAINERID="", CNI_IFNAME="")
    assert (answer.code, answer.text) == (0, "")
