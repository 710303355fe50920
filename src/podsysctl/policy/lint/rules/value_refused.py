"""The kernel refuses the value: it is out of range, of the wrong shape, or no number.

The API server checks no values. In a pod the sandbox fails with `invalid argument` and is tried again for ever; on a
node the line is skipped with an error in a log that nobody reads.

Write a value that the parameter takes; `podsysctl explain NAME` shows its shape and range.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.policy.lint.context import Context
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import row
from podsysctl.sysctls.value import parse_value


def check(context: Context) -> Iterator[Finding]:
    """Values of parameters whose shape is known."""
    for setting in context.settings:
        known = row(setting.name)
        if known is None or isinstance(setting.value, dict | list) or "$" in setting.text:
            continue
        try:
            parse_value(known.spec, setting.text, name=setting.name, partial=True)
        except ValueSyntaxError as error:
            text = f"{setting.owner}: {error.message}"
            hint = f"podsysctl explain {known.name}"
            yield Finding(RULE.id, RULE.severity, setting.file, setting.value_position, text, setting.name, hint)


RULE = Rule("PSC008", "value-refused", Severity.ERROR, "The kernel refuses the value", check)
