"""The files for pre-commit and for CI servers: what they run works, and they choose the files that are checked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podsysctl.cli import check_files
from podsysctl.cli.main import main

TOP = Path(__file__).resolve().parents[2]
HOOKS: list[dict[str, Any]] = yaml.safe_load((TOP / ".pre-commit-hooks.yaml").read_text())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.yaml", True),
        ("b.yml", True),
        ("b.json", True),
        ("web.container", True),
        ("web.pod", True),
        ("etc/sysctl.conf", True),
        ("sysctl.conf", True),
        ("etc/sysctl.d/10-a.conf", True),
        ("sysctl.d/10-a.conf", True),
        ("etc/kubernetes/kubelet.conf.d/10.conf", True),
        ("kubelet.d/10.conf", True),
        ("etc/my-sysctl.d/10-a.conf", False),
        ("nginx.conf", False),
        ("a.py", False),
        ("mysysctl.conf", False),
    ],
)
def test_hooks_choose_the_files_that_are_checked(tmp_path: Path, path: str, expected: bool) -> None:
    """The pattern and the command itself agree."""
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    assert bool(check_files.read([str(tmp_path)]).texts) is expected
    for hook in HOOKS:
        assert bool(re.search(hook["files"], path)) is expected


def commands() -> Iterator[str]:
    """Every call of the program in hooks and CI examples."""
    yield from (hook["entry"] for hook in HOOKS)
    for path in sorted((TOP / "examples" / "ci").glob("*.yaml")):
        yield from re.findall(r"podsysctl check [^>\n]+", path.read_text())


@pytest.mark.parametrize("command", list(commands()))
def test_commands_of_the_examples_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to complain about: exit code 0."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy").mkdir()
    program, *words = shlex.split(command)
    assert program == "podsysctl"
    assert main(words if "deploy" in words else [*words, "deploy"]) == 0, capsys.readouterr().err
