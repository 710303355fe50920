from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROC = Path("/proc/sys/net/ipv4/ip_forward")

SCRIPT = """
import os, sys
from pathlib import Path
from podsysctl.node import forwarding
from podsysctl.node.neighbours import Neighbours

top, value = Path(sys.argv[1]), Path("/proc/sys/net/ipv4/ip_forward")
one, other, shared = top / "one", top / "other", top / "shared"
one.mkdir()
other.mkdir()
value.write_text(sys.argv[2])

def show(*words):
    print(*words, value.read_text().strip(), flush=True)

if os.fork() == 0:  # a process that dies without putting anything back
    show(forwarding.enable(one, shared))
    os._exit(0)
os.wait()
"""

OF_ONE = """
show(forwarding.enable(one, shared))
forwarding.restore(one, shared)
show(shared.exists())
forwarding.restore(one, shared)
"""

OF_TWO = """
show(forwarding.enable(other, shared))
forwarding.restore(one, shared)
show(shared.exists())
forwarding.restore(other, shared)
show(shared.exists())
"""

REMOVED_BY_HAND = """
show(forwarding.enable(other, shared))
one.rmdir()
forwarding.restore(other, shared)
show(shared.exists())
"""

KILLED_BEFORE_IT_WROTE = """
show(forwarding.enable(other, shared))
Neighbours(one, shared).file.write_text("")
forwarding.restore(other, shared)
show(shared.exists())
"""


@pytest.mark.root
@pytest.mark.parametrize(
    ("before", "then", "said"),
    [
        pytest.param("0", OF_ONE, ["True 1", "False 1", "False 0"], id="one-cluster"),
        pytest.param("1", OF_ONE, ["False 1", "False 1", "False 1"], id="on-before"),
        pytest.param("0", OF_TWO, ["True 1", "False 1", "True 1", "False 0"], id="two-clusters"),
        pytest.param("0", KILLED_BEFORE_IT_WROTE, ["True 1", "False 1", "False 0"], id="killed-before-it-wrote"),
        pytest.param("1", OF_TWO, ["False 1", "False 1", "False 1", "False 1"], id="two-clusters-on-before"),
        pytest.param("0", REMOVED_BY_HAND, ["True 1", "False 1", "False 0"], id="removed-by-hand"),
    ],
)
def test_forwarding_is_switched_on_and_put_back_by_the_last(
    tmp_path: Path, before: str, then: str, said: list[str]
) -> None:
    """In a network namespace of its own; what was on before stays on, and the host is as it was."""
    host = PROC.read_text()
    command = ["unshare", "--net", sys.executable, "-c", SCRIPT + then, tmp_path, before]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines() == said
    assert PROC.read_text() == host
