"""Nobody knows this parameter: perhaps it is misspelt.

The catalogue holds the parameters of current kernels and their usual modules. A name that is missing may belong to a
module of a driver; more often a letter is wrong, and the sandbox fails with `no such file or directory`.

Compare with the suggestion, or with /proc/sys on a node.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import parse, row
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import interface_hint

_SUGGESTIONS = 100
"""Names for which similar ones are looked for, which takes a millisecond each."""


def check(context: Context) -> Iterator[Finding]:
    """Well-formed names without a row and without a measurement."""
    facts = context.target.facts
    asked = 0
    for setting in context.settings:
        parsed = parse(setting.name)
        if parsed is None or row(setting.name) is not None or interface_hint(setting.name):
            continue
        if facts is not None and facts.find(parsed) is not None:
            continue
        asked += 1
        close = catalogue.suggest(parsed.dotted) if asked <= _SUGGESTIONS else ()
        hint = f"did you mean {' or '.join(close)}?" if close else ""
        yield find(RULE.id, RULE.severity, setting, (), f"{setting.owner}: nobody knows {setting.name}", hint=hint)


RULE = Rule("PSC009", "unknown-parameter", Severity.WARNING, "The parameter is not known", check)
