"""A setting of one interface stands in the pod's own sysctls.

They are written before additional interfaces exist, and by CRI-O before any does. Kubelets know no middle wildcard,
so allowing such names means allowing each one, or all of `net.ipv4.conf.`.

Put it into a NetworkAttachmentDefinition: the tuning plugin sets it once the interface is there.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import parse
from podsysctl.policy.lint.setting import Place


def check(context: Context) -> Iterator[Finding]:
    """Names of pods that speak of one interface other than the loopback."""
    for setting in context.settings:
        parsed = parse(setting.name)
        if setting.place is not Place.POD or parsed is None or parsed.interface in (None, "lo"):
            continue
        text = f"{setting.owner}: interface {parsed.interface} may not exist yet when {setting.name} is set"
        yield find(RULE.id, RULE.severity, setting, (), text, hint="use a NetworkAttachmentDefinition with tuning")


RULE = Rule("PSC012", "interface-in-pod", Severity.WARNING, "An interface's sysctl stands in the pod", check)
