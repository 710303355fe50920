r"""Replaces `${name}` by the variable's value, then functions by their answers; `\${name}` stays as `${name}`.

Variables are evaluated in their order after all merging; one sees those before it. Source: tuned
profiles/variables.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from podsysctl.base import limits
from podsysctl.sysctls.tuned import functions
from podsysctl.sysctls.tuned.loader import Text
from podsysctl.sysctls.tuned.plan import MachineFacts

_REFERENCE = re.compile(r"(?<!\\)\$\{(\w+)\}")
_ESCAPED = re.compile(r"\\(\$\{\w+\})")
_NAME = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with everything filled in, and why it cannot be used; `unknown` are the variables nobody defines."""

    text: str
    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Why a setting with this text cannot be applied. An undefined variable counts if it is still there."""
        left = [name for name in dict.fromkeys(self.unknown) if f"${{{name}}}" in self.text]
        return (*self.faults, *(f"variable ${{{name}}} is not defined" for name in left))


@dataclass(slots=True)
class Variables:
    """The variables defined so far."""

    facts: MachineFacts
    values: dict[str, Expanded] = field(default_factory=dict)
    budget: functions.Budget = field(default_factory=functions.Budget)

    def define(self, name: str, text: Text) -> str:
        """Evaluate one more. What is wrong with its name, empty when nothing is. Raises AssertionFailed."""
        if not _NAME.fullmatch(name):
            return f"variable definition '{name}' contains unallowed characters"
        found = self.expand(text.value)
        faults = tuple(f"variable {name} of {text.place}: {fault}" for fault in found.faults)
        self.values[name] = Expanded(found.text, faults, found.unknown)
        return ""

    def expand(self, text: str) -> Expanded:
        """Fill in variables, then functions. Raises AssertionFailed."""
        faults: list[str] = []
        unknown: list[str] = []
        size = len(text)

        def fill(found: re.Match[str]) -> str:
            nonlocal size
            value = self.values.get(found[1])
            if value is None:
                unknown.append(found[1])
                return found[0]
            size += len(value.text)
            if size > limits.TUNED_VALUE_CHARACTERS:
                return ""
            faults.extend(value.faults)
            unknown.extend(value.unknown)
            return value.text

        filled = _ESCAPED.sub(r"\1", _REFERENCE.sub(fill, text))
        if size > limits.TUNED_VALUE_CHARACTERS:
            return Expanded("", (f"expands to more than {limits.TUNED_VALUE_CHARACTERS} characters",))
        answer, wrong = functions.expand(filled, self.facts, self.budget)
        # What is wrong with a variable is wrong with the text that it becomes part of, and is told once.
        return Expanded(answer, tuple(dict.fromkeys(faults)) or wrong, tuple(dict.fromkeys(unknown)))
