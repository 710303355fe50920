"""Files of lines: Podman quadlets and sysctl.d files. Profiles inside Tuned objects are `sysctls/tuned/parser.py`'s."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from podsysctl.sysctls.tuned.parser import Assignment, BadLine


class LineKind(StrEnum):
    """What a file of lines is."""

    QUADLET = "quadlet"
    SYSCTL_D = "sysctl.d"


@dataclass(frozen=True, slots=True)
class LineFile:
    """A whole file of lines."""

    file: str
    text: str
    kind: LineKind


def parse_sections(text: str) -> Iterator[Assignment | BadLine]:
    """Read an INI file as systemd does: the first `=` separates, later duplicates are kept, no value is continued."""
    section = ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = line[1:-1].strip()
            continue
        key, equals, value = raw.partition("=")
        if not equals:
            yield BadLine(number, line, "is no assignment")
            continue
        column = len(key) - len(key.lstrip()) + 1
        value_column = len(key) + 2 + len(value) - len(value.lstrip())
        yield Assignment(section, key.strip(), value.strip(), number, column, value_column)
