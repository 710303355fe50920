"""The examples of docs/sysctls.md and docs/library.md do what they show."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def console_examples(page: str) -> list[tuple[str, str]]:
    """Command and expected output of each `$` line."""
    out = []
    for block in re.findall(r"```console\n(.*?)```", (DOCS / page).read_text(), re.DOTALL):
        for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = piece.partition("\n")
            out.append((command, expected))
    return out


def test_library_page_examples_hold() -> None:
    """Every Python example gives what the page says."""
    if os.geteuid() != 0:
        pytest.skip("needs root: the page reads other namespaces")
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, attempted = doctest.testfile(str(DOCS / "library.md"), module_relative=False, optionflags=flags)
    assert attempted > 20
    assert failed == 0


def test_sysctls_page_examples_hold(tmp_path: Path) -> None:
    """Every command prints what the page says, `...` standing for anything."""
    examples = console_examples("sysctls.md")
    assert len(examples) > 8
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, expected in examples:
        done = subprocess.run(
            ["sh", "-c", f"{command} 2>&1"], capture_output=True, text=True, check=False, cwd=tmp_path,
            env={**os.environ, "PATH": path},
        )  # fmt: skip
        same = doctest.OutputChecker().check_output(expected, done.stdout, doctest.ELLIPSIS)
        assert same, f"$ {command}\n{done.stdout}\ninstead of\n{expected}"
