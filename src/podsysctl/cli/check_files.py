"""Which files `check` reads, and what each of them is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from podsysctl.base import limits
from podsysctl.base.errors import UsageError
from podsysctl.policy.lint.engine import Input
from podsysctl.policy.lint.finding import Finding, Position, Severity
from podsysctl.policy.lint.lines import LineKind

STANDARD_INPUT = "<stdin>"
_YAML = frozenset({".yaml", ".yml", ".json"})
_QUADLET = frozenset({".container", ".pod"})
_QUADLET_DROP_INS = (".container.d", ".pod.d")
_SKIPPED_DIRECTORIES = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".tox"})
_SYSCTL_FILES = frozenset({"sysctl.conf"})
_ASSIGNMENTS = re.compile(r"(?:\s*(?:[#;].*)?\n)*\s*-?[a-z0-9][-\w./*]*[./][-\w./*]*\s*=")
"""How a file of kernel parameters begins, whatever its name: comments, then an assignment to a dotted name."""


def read(paths: Sequence[str]) -> Input:
    """Read everything. Raises UsageError for a path that is not there; a file that is no text becomes a finding."""
    given = Input()
    for path in paths:
        if path == "-":
            content = sys.stdin.buffer.read(limits.YAML_DOCUMENT_BYTES + 1)
            _take(given, STANDARD_INPUT, content, None)
            continue
        for file, explicit in _files(Path(path)):
            kind = _kind(file)
            if kind is None and not explicit:
                continue
            try:
                with file.open("rb") as stream:
                    content = stream.read(limits.YAML_DOCUMENT_BYTES + 1)
            except OSError as error:
                raise UsageError(f"cannot read {file}: {error.strerror}") from error
            _take(given, str(file), content, kind if isinstance(kind, LineKind) else None)
    return given


def _take(given: Input, name: str, content: bytes, kind: LineKind | None) -> None:
    if len(content) > limits.YAML_DOCUMENT_BYTES:
        _refuse(given, name, f"is longer than {limits.YAML_DOCUMENT_BYTES} bytes")
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse(given, name, "is not UTF-8 text")
        return
    if kind is None and not name.endswith(tuple(_YAML)) and _ASSIGNMENTS.match(text):
        kind = LineKind.SYSCTL_D
    if kind is not None:
        given.add_lines(name, text, kind)
    else:
        given.add_yaml(name, text)


def _refuse(given: Input, name: str, why: str) -> None:
    given.findings.append(Finding("PSC901", Severity.ERROR, name, Position(), f"{name} {why}", "content"))


def _files(path: Path) -> Iterator[tuple[Path, bool]]:
    """Files to read; True for one that was named itself. Links to directories are not followed."""
    if path.is_file():
        yield path, True
        return
    if not path.is_dir():
        raise UsageError(f'the path "{path}" does not exist')
    for directory, below, names in os.walk(path):
        below[:] = sorted(name for name in below if name not in _SKIPPED_DIRECTORIES)
        for name in sorted(names):
            file = Path(directory) / name
            if file.is_file():
                yield file, False


def _kind(file: Path) -> LineKind | str | None:
    """What a file is by its name and place; None when it is none of ours."""
    if file.suffix in _YAML:
        return "yaml"
    if file.suffix in _QUADLET or (file.suffix == ".conf" and file.parent.name.endswith(_QUADLET_DROP_INS)):
        return LineKind.QUADLET
    if file.name in _SYSCTL_FILES or (file.suffix == ".conf" and file.parent.name == "sysctl.d"):
        return LineKind.SYSCTL_D
    if file.suffix == ".conf" and file.parent.name in ("kubelet.conf.d", "kubelet.d"):
        return "yaml"
    return None
