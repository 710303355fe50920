"""How the text of a sysctl.d file is understood, and which of several assignments wins. Reading files is elsewhere.

Source: sysctl.d(5) of systemd and sysctl.conf(5) of procps. A line is `name = value`; `#` and `;` begin comments; a
leading `-` means that a failure is no error, and `-name` alone keeps a name out of the patterns. A name may hold shell
wildcards; a name given in full beats every pattern, else the last assignment wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podsysctl.base.errors import NameSyntaxError
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.pattern import NamePattern, is_pattern, parse_pattern


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line: a name or a pattern, the value (None for `-name`, an exclusion), and where it stands."""

    name: SysctlName | None
    pattern: NamePattern | None
    value: str | None
    optional: bool
    file: str
    line: int

    def matches(self, name: SysctlName) -> bool:
        """Does the line speak of this parameter?"""
        if self.name is not None:
            return self.name == name
        return self.pattern is not None and self.pattern.matches(name)


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that means nothing: `file(line): why`."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}({self.line}): {self.message}"


def parse_file(text: str, file: str) -> tuple[list[Assignment], list[Problem]]:
    """Read a whole file. Bad lines become problems, as the programs that apply such files go on after them."""
    assignments: list[Assignment] = []
    problems: list[Problem] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        try:
            assignments.append(_parse_line(line, file, number))
        except NameSyntaxError as error:
            problems.append(Problem(file, number, error.message))
    return assignments, problems


def winner(assignments: Iterable[Assignment], name: SysctlName) -> Assignment | None:
    """The assignment that decides a parameter, among those of all files in the order in which they are applied."""
    exact: Assignment | None = None
    by_pattern: Assignment | None = None
    excluded = False
    for item in assignments:
        if not item.matches(name):
            continue
        if item.value is None:
            excluded = True
        elif item.name is not None:
            exact = item
        else:
            by_pattern = item
    if exact is not None:
        return exact
    return None if excluded else by_pattern


def _parse_line(line: str, file: str, number: int) -> Assignment:
    key, equals, value = line.partition("=")
    key = key.strip()
    optional = key.startswith("-")
    key = key.removeprefix("-").strip()
    if not equals and not optional:
        raise NameSyntaxError("invalid syntax, expected name = value")
    wanted = value.strip() if equals else None
    if is_pattern(key):
        return Assignment(None, parse_pattern(key), wanted, optional, file, number)
    return Assignment(parse_name(key), None, wanted, optional, file, number)
