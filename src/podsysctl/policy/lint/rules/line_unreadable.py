"""A line of a quadlet or a sysctl.d file means nothing.

systemd and procps skip it with a message in the journal; Podman's generator leaves the unit out.

Write `name = value`; in a quadlet `Sysctl=name=value`.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context
from podsysctl.policy.lint.extraction import QUADLET_SECTIONS, words
from podsysctl.policy.lint.finding import Finding, Position, Rule, Severity
from podsysctl.policy.lint.lines import LineFile, LineKind, parse_sections
from podsysctl.sysctls.tuned.parser import BadLine


def check(context: Context) -> Iterator[Finding]:
    """Read every line as its program would."""
    for file in context.files:
        for line in parse_sections(file.text):
            if isinstance(line, BadLine):
                excluded = file.kind is LineKind.SYSCTL_D and line.text.startswith("-")
                if not excluded:
                    yield _found(file, line.line, 1, f"{line.text!r} {line.why}")
            elif file.kind is LineKind.QUADLET and line.key == "Sysctl" and line.section in QUADLET_SECTIONS:
                bad = [word for word in words(line.value) if "=" not in word]
                if bad:
                    column = line.value_column + max(line.value.find(bad[0]), 0)
                    yield _found(file, line.line, column, f"{bad[0]!r} is not name=value")


def _found(file: LineFile, line: int, column: int, text: str) -> Finding:
    return Finding(RULE.id, RULE.severity, file.file, Position(line, column), text, text)


RULE = Rule("PSC601", "line-unreadable", Severity.ERROR, "A line is no assignment", check)
