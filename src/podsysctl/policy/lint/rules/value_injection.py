"""A value holds a character that old runtimes take for the beginning of another setting.

CRI-O before 1.23.2 split values at `+` and `=` and wrote the rest as further settings of the host (CVE-2022-0811).
No parameter needs these characters.

Write a plain value.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.setting import Place

_CHARACTERS = "+=\n\0"


def check(context: Context) -> Iterator[Finding]:
    """Values of pods and containers with separators in them."""
    for setting in context.settings:
        if setting.place not in (Place.POD, Place.CONTAINER):
            continue
        bad = [char for char in _CHARACTERS if char in setting.text.strip()]
        if bad:
            shown = ", ".join(repr(char) for char in bad)
            text = f"{setting.owner}: the value of {setting.name} holds {shown}"
            yield Finding(RULE.id, RULE.severity, setting.file, setting.value_position, text, setting.name)


RULE = Rule("PSC018", "value-injection", Severity.ERROR, "A value could smuggle in another setting", check)
