"""What a rule finds: where, what, how bad, and the edits that would mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podsysctl.policy.lint.context import Context


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """It cannot work, or stops something else from working."""
    WARNING = "warning"
    """It works only if somebody else plays along, or does something else than it seems to."""
    NOTE = "note"
    """It could be written better."""

    @property
    def rank(self) -> int:
        """Greater is worse."""
        return (Severity.NOTE, Severity.WARNING, Severity.ERROR).index(self)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from one."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a file's text: the characters from `start` to `end` become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `subject` is what the message is about (a sysctl, a pattern), for baselines that survive moves.

    `edits` belong together: all are made, or none.
    """

    rule: str
    severity: Severity
    file: str
    position: Position
    message: str
    subject: str = ""
    hint: str = ""
    edits: tuple[Edit, ...] = field(default=(), compare=False)

    @property
    def sort_key(self) -> tuple[str, Position, str, str]:
        """File, place, rule: the order of reports."""
        return self.file, self.position, self.rule, self.message


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    `id` is stable for ever, `name` reads well in reports, `severity` is what its findings have unless they say
    otherwise. `check` sees everything that was read, so that a rule may compare files.
    """

    id: str
    name: str
    severity: Severity
    summary: str
    check: Callable[[Context], Iterable[Finding]]


def select(rules: Iterable[Rule], only: Sequence[str], without: Sequence[str]) -> list[Rule]:
    """Rules by identifier or name: all unless some are asked for, less those that are not wanted."""
    chosen = [rule for rule in rules if not only or rule.id in only or rule.name in only]
    return [rule for rule in chosen if rule.id not in without and rule.name not in without]
