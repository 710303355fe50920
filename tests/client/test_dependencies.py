"""docs/dependencies.md and pyproject.toml name the same packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def test_every_dependency_is_explained() -> None:
    """No dependency without its row, and no row without its dependency."""
    declared = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[<>=!~ \[]", line)[0].lower() for line in declared}
    text = (TOP / "docs" / "dependencies.md").read_text()
    table = text.partition("| package |")[2].partition("\n\n")[0]
    rows = {row.split("|")[1].strip().lower() for row in table.splitlines() if row.startswith("| ")}
    assert rows == names
