"""The parameter was removed from the kernel, or is not there yet.

Writing `net.ipv4.tcp_tw_recycle` fails since Linux 4.12: the sandbox cannot be made, or a line of sysctl.d is
skipped.

Leave it out. `--kernel` says which kernel the nodes have; without it only removed parameters are found.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import row


def check(context: Context) -> Iterator[Finding]:
    """Compare the catalogue's history with the nodes' kernel."""
    kernel = context.target.kernel
    for setting in context.settings:
        known = row(setting.name)
        if known is None:
            continue
        if known.removed is not None and (kernel is None or kernel >= known.removed):
            text = f"{setting.owner}: {setting.name} was removed in Linux {known.removed}"
            severity = RULE.severity if kernel is not None else Severity.WARNING
            yield find(RULE.id, severity, setting, (), text)
        elif known.since is not None and kernel is not None and kernel < known.since:
            text = f"{setting.owner}: {setting.name} exists since Linux {known.since}, these nodes have {kernel}"
            yield find(RULE.id, RULE.severity, setting, (), text)


RULE = Rule("PSC015", "parameter-removed", Severity.ERROR, "The nodes' kernel has no such parameter", check)
