"""The examples of docs/gates.md print what the page says."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from pathlib import Path

from tests.cli_sysctl.test_documents import console_examples

TOP = Path(__file__).resolve().parents[2]


def test_gates_page_examples_hold() -> None:
    """In the repository's own directory, `...` standing for anything."""
    examples = console_examples("gates.md")
    assert len(examples) == 3
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, expected in examples:
        done = subprocess.run(
            ["sh", "-c", f"{command} 2>&1"], capture_output=True, text=True, check=False, cwd=TOP,
            env={**os.environ, "PATH": path},
        )  # fmt: skip
        same = doctest.OutputChecker().check_output(expected, done.stdout, doctest.ELLIPSIS)
        assert same, f"$ {command}\n{done.stdout}\ninstead of\n{expected}"
