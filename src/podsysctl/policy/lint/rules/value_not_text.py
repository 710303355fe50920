"""A value is a number or a boolean where the API wants a string.

`value: 1024` is a number in YAML. The API server answers 400 and stores nothing: `json: cannot unmarshal number into
Go struct field Sysctl…value of type string`.

Put the value in quotes.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint import edits
from podsysctl.policy.lint.context import Context
from podsysctl.policy.lint.finding import Edit, Finding, Rule, Severity
from podsysctl.policy.lint.setting import Place


def check(context: Context) -> Iterator[Finding]:
    """Values of pods that are no strings."""
    for setting in context.settings:
        if setting.place is not Place.POD or isinstance(setting.value, str) or setting.document is None:
            continue
        kind = "missing" if setting.value is None else f"a {_word(setting.value)}"
        text = f"{setting.owner}: the value of {setting.name} is {kind}, it must be a string"
        fix: tuple[Edit, ...] = ()
        if isinstance(setting.value, int | float):
            fix = edits.replace_scalar(setting.document, (*setting.path, "value"), edits.quoted(setting.text))
        severity = Severity.WARNING if setting.value is None else RULE.severity
        yield Finding(
            RULE.id, severity, setting.file, setting.value_position, text, setting.name, "write it in quotes", fix
        )


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "structure"


RULE = Rule("PSC003", "value-not-text", Severity.ERROR, "A sysctl's value is not a string", check)
