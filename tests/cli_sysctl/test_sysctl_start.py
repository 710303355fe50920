"""What the commands on kernel parameters do not load, since a person waits for each start."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from podsysctl.cli.main import main
main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
"""
HEAVY = {"asyncio", "ssl", "aiohttp", "orjson", "yaml", "logging", "subprocess", "podsysctl.client.rest"}


@pytest.mark.parametrize(
    "words",
    [
        ("sysctl", "list", "kernel.shm*"),
        ("sysctl", "get", "kernel.shmmni"),
        ("sysctl", "kernel.shmmni"),
        ("explain", "kernel.shmmni"),
        ("sysctl", "get", "kernel.nonesuch"),
    ],
)
def test_command_without_a_cluster_loads_no_client(words: tuple[str, ...]) -> None:
    """Reading this host needs no HTTP, no TLS, no YAML and no child process, not even to fail."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stderr.splitlines()[-1].split()) == set()
