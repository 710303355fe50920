"""The two READMEs say the same, and what they name is there."""

from __future__ import annotations

import re
from pathlib import Path

from podsysctl.cli.main import COMMANDS

TOP = Path(__file__).resolve().parents[2]
ENGLISH, JAPANESE = TOP / "README.md", TOP / "README.ja.md"


def commands(path: Path) -> list[str]:
    """Lines of code blocks, their comments left out."""
    blocks = re.findall(r"^```console\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]


def quoted(path: Path) -> list[str]:
    """What stands between backticks outside code blocks, ordered; two languages order a sentence differently."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return sorted(re.findall(r"`([^`\n]+)`", text))


def links(path: Path) -> list[str]:
    """Files that are linked to."""
    return sorted(set(re.findall(r"\]\(([^)]+)\)", path.read_text())))


def headings(path: Path) -> list[int]:
    """The level of each heading."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]


def test_japanese_readme_says_what_the_english_one_says() -> None:
    """Headings, commands and names are the same in both."""
    assert headings(JAPANESE) == headings(ENGLISH)
    assert commands(JAPANESE) == commands(ENGLISH)
    assert quoted(JAPANESE) == quoted(ENGLISH)
    assert set(links(JAPANESE)) ^ set(links(ENGLISH)) == {"README.md", "README.ja.md"}


def test_readme_names_files_that_are_there() -> None:
    """Links and examples lead somewhere."""
    named = {*links(ENGLISH), *re.findall(r"examples/[\w./-]+\.yaml", ENGLISH.read_text())}
    assert len(named) > 10
    assert [name for name in named if not (TOP / name).exists()] == []


def test_readme_names_commands_that_exist() -> None:
    """Whatever stands behind `podsysctl` is a command."""
    names = {command.name for command in COMMANDS}
    asked = re.findall(r"`podsysctl ([a-z]+(?: [a-z]+)?)", ENGLISH.read_text())
    assert len(asked) >= 5
    assert [words for words in asked if words not in names and words.split()[0] not in names] == []


def test_readmes_show_the_same_figures() -> None:
    """A benchmark's table has the same numbers in both."""

    def figures(path: Path) -> list[str]:
        rows = re.findall(r"^\| .*(?: ms| s| MB) .*\|$", path.read_text(), re.MULTILINE)
        return [" ".join(re.findall(r"[\d.]+ (?:ms|s|MB|×)", row)) for row in rows]

    assert len(figures(ENGLISH)) >= 7
    assert figures(JAPANESE) == figures(ENGLISH)
