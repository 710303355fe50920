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

directory, value = Path(sys.argv[1]), Path("/proc/sys/net/ipv4/ip_forward")
value.write_text(sys.argv[2])
if os.fork() == 0:  # a process that dies without putting anything back
    print(forwarding.enable(directory), value.read_text().strip(), flush=True)
    os._exit(0)
os.wait()
print(forwarding.enable(directory), flush=True)
forwarding.restore(directory)
print(value.read_text().strip(), sorted(p.name for p in directory.iterdir()), flush=True)
forwarding.restore(directory)
"""


@pytest.mark.root
@pytest.mark.parametrize(("before", "said"), [("0", "True 1\nFalse\n0 []\n"), ("1", "False 1\nFalse\n1 []\n")])
def test_forwarding_is_switched_on_and_put_back_after_a_crash(tmp_path: Path, before: str, said: str) -> None:
    """In a network namespace of its own; what was on before stays on, and the host is as it was."""
    host = PROC.read_text()
    command = ["unshare", "--net", sys.executable, "-c", SCRIPT, tmp_path, before]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == said
    assert PROC.read_text() == host
