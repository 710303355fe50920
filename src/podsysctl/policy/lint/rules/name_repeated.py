"""A sysctl is set twice in one place.

The API server refuses the same spelling twice with 422. Two spellings of one name (`kernel.sem` and `kernel/sem`)
pass, and the later one silently wins.

Keep one of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy import kubelet
from podsysctl.policy.lint import edits
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Edit, Finding, Rule, Severity
from podsysctl.policy.lint.setting import Place, Setting


def check(context: Context) -> Iterator[Finding]:
    """Compare the settings of each owner."""
    seen: dict[tuple[str, str, str, str], Setting] = {}
    for setting in context.settings:
        if not setting.name or setting.owner == "sysctl.d":
            continue
        key = (setting.file, setting.place, setting.owner, kubelet.normalize_name(setting.name))
        if setting.document is not None:
            key = (*key[:2], f"{setting.owner} {setting.document.position()}", key[3])
        first = seen.setdefault(key, setting)
        if first is setting:
            continue
        same = first.name == setting.name
        severity = Severity.ERROR if same and setting.place is Place.POD else Severity.WARNING
        text = f"{setting.owner}: {setting.name} is set before at line {first.position.line}"
        if not same:
            text += f" as {first.name}; the later value wins"
        fix: tuple[Edit, ...] = ()
        if setting.document is not None and setting.place is Place.POD and first.text == setting.text:
            fix = edits.remove_item(setting.document, setting.path)
        yield find(RULE.id, severity, setting, (), text, edits=fix)


RULE = Rule("PSC002", "sysctl-repeated", Severity.ERROR, "A sysctl is set twice in one place", check)
