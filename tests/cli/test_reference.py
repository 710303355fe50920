"""The reference page is what the commands say."""

from __future__ import annotations

from pathlib import Path

from podsysctl.cli import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


def test_commands_page_is_current() -> None:
    """docs/commands.md is made from the commands; `./run docs` makes it again."""
    assert PAGE.read_text() == reference.page(), "run `./run docs`"
