"""Reads the text of one profile: sections and assignments with their lines. The first step of the language.

TuneD reads profiles with Python's configparser, and so do its users without knowing: the first `=` separates, a `#`
after white space begins a comment, and a line indented deeper than the one before continues its value. configparser
keeps no line numbers and stops at errors, so the same grammar is written here; a test compares the two. What sections
mean is decided in `merger.py` and `build.py`. Source: tuned profiles/loader.py, CPython Lib/configparser.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from podsysctl.base import limits

DEFAULT_SECTION = "DEFAULT"
"""configparser's own section, whose keys appear in every other one."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One `key = value`. Line and columns count from one; a value of several lines has newlines in it."""

    section: str
    key: str
    value: str
    line: int
    column: int
    value_column: int


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line for which TuneD refuses the whole profile, and why."""

    line: int
    text: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text!r} {self.why}"


@dataclass(frozen=True, slots=True)
class ProfileText:
    """A profile as written: `assignments` in the text's order with repeated keys, section names in order of
    appearance with the line of the first heading, and the lines that cannot be read."""

    assignments: tuple[Assignment, ...]
    headings: tuple[tuple[str, int], ...]
    bad: tuple[BadLine, ...]

    def sections(self) -> dict[str, dict[str, Assignment]]:
        """Key by key as TuneD sees them: the last of a repeated key wins and keeps the place of the first.

        Keys of [DEFAULT] come after a section's own.
        """
        out: dict[str, dict[str, Assignment]] = {name: {} for name, _ in self.headings}
        for item in self.assignments:
            out[item.section][item.key] = item
        defaults = out.pop(DEFAULT_SECTION, {})
        for keys in out.values():
            for key, item in defaults.items():
                keys.setdefault(key, item)
        return out


@dataclass(slots=True)
class _Open:
    """What the reader is in the middle of."""

    section: str | None = None
    indent: int = 0
    key: str = ""
    line: int = 0
    column: int = 0
    value_column: int = 0
    values: list[str] = field(default_factory=list)


def parse(text: str) -> ProfileText:
    """Read a profile. Total: what cannot be read is among the bad lines.

    >>> found = parse("[sysctl]\\nvm.swappiness=10 # low\\n").assignments[0]
    >>> found.key, found.value, found.line
    ('vm.swappiness', '10', 2)
    """
    if len(text) > limits.TUNED_PROFILE_CHARACTERS:
        why = f"and what follows: a profile has at most {limits.TUNED_PROFILE_CHARACTERS} characters"
        return ProfileText((), (), (BadLine(1, text[:40], why),))
    now = _Open()
    out: list[Assignment] = []
    headings: dict[str, int] = {}
    bad: list[BadLine] = []
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        comment = _comment_start(raw)
        line = (raw if comment is None else raw[:comment]).strip()
        if not line:
            if comment is None and now.key:
                now.values.append("")
            continue
        indent = len(raw) - len(raw.lstrip())
        if now.key and indent > now.indent:
            now.values.append(line)
            continue
        now.indent = indent
        end = line.rfind("]")
        if line[0] == "[" and end > 1:
            _close(now, out)
            now.section = line[1:end]
            headings.setdefault(now.section, number)
        elif now.section is None:
            bad.append(BadLine(number, line, "stands before the first [section]"))
            break
        else:
            _open_assignment(now, raw, line, number, out, bad)
    _close(now, out)
    return ProfileText(tuple(out), tuple(headings.items()), tuple(bad))


def _comment_start(raw: str) -> int | None:
    if raw.lstrip()[:1] in ("#", ";"):
        return 0
    index = raw.find("#")
    while index >= 0:
        if index == 0 or raw[index - 1].isspace():
            return index
        index = raw.find("#", index + 1)
    return None


def _open_assignment(now: _Open, raw: str, line: str, number: int, out: list[Assignment], bad: list[BadLine]) -> None:
    key, equals, value = line.partition("=")
    key, value = key.rstrip(), value.strip()
    if not equals:
        bad.append(BadLine(number, line, "is neither a [section], nor a comment, nor `key = value`"))
        return
    _close(now, out)
    if not key:
        bad.append(BadLine(number, line, "has no key before its `=`"))
        return
    after = raw.index("=") + 1
    rest = raw[after:]
    now.key, now.line, now.values = key, number, [value]
    now.column = now.indent + 1
    now.value_column = after + 1 + len(rest) - len(rest.lstrip())


def _close(now: _Open, out: list[Assignment]) -> None:
    if now.key and now.section is not None:
        value = "\n".join(now.values).rstrip()
        out.append(Assignment(now.section, now.key, value, now.line, now.column, now.value_column))
    now.key = ""
