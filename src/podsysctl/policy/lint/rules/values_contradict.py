"""Two values that are fine alone exclude each other.

The kernel keeps the range of local ports above the first unprivileged port: `net.ipv4.ip_local_port_range` may not
begin below `net.ipv4.ip_unprivileged_port_start` (1024 unless set). Runtimes write in random order, so the sandbox
fails, or fails sometimes.

Raise the one or lower the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy import kubelet
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.setting import Setting

_RANGE, _START = "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"
_DEFAULT_START, _DEFAULT_LOW = 1024, 32768


def check(context: Context) -> Iterator[Finding]:
    """Compare the two settings of each owner."""
    owners: dict[tuple[str, str, str], dict[str, Setting]] = {}
    for setting in context.settings:
        name = kubelet.normalize_name(setting.name)
        if name in (_RANGE, _START):
            place = str(setting.document.position()) if setting.document is not None else ""
            owners.setdefault((setting.file, setting.owner, place), {})[name] = setting
    for found in owners.values():
        low = _number(found.get(_RANGE), _DEFAULT_LOW)
        start = _number(found.get(_START), _DEFAULT_START)
        if low is not None and start is not None and low < start:
            setting = found.get(_RANGE) or found[_START]
            text = (
                f"{setting.owner}: local ports begin at {low}, below the first unprivileged port {start}:"
                " the kernel refuses the second of the two"
            )
            yield find(RULE.id, RULE.severity, setting, (), text)


def _number(setting: Setting | None, default: int) -> int | None:
    if setting is None:
        return default
    words = setting.text.split()
    return int(words[0]) if words and words[0].isdecimal() else None


RULE = Rule("PSC017", "values-contradict", Severity.ERROR, "Two values exclude each other", check)
