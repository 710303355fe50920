"""An interface with a dot in its name, such as a VLAN, cannot be reached this way.

In the dotted spelling the dot of `eth0.100` is written as a slash: `net.ipv4.conf.eth0/100.rp_filter`. sysctl.d and
TuneD understand that. Container runtimes and the tuning plugin turn every dot into a slash and never find the file.

In a NetworkAttachmentDefinition write IFNAME, which the plugin fills in correctly.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import parse
from podsysctl.policy.lint.setting import Place
from podsysctl.sysctls.name import interface_hint


def check(context: Context) -> Iterator[Finding]:
    """Interface names that are taken apart at their dot, and those that no runtime can open."""
    for setting in context.settings:
        hint = interface_hint(setting.name)
        parsed = parse(setting.name)
        if hint:
            text = f"{setting.owner}: {setting.name} is taken apart at the dot inside the interface's name"
            hint = "write IFNAME" if setting.place is Place.INTERFACE else hint
            yield find(RULE.id, RULE.severity, setting, (), text, hint=hint)
        elif parsed is not None and setting.place is not Place.NODE and any("." in part for part in parsed.segments):
            text = f"{setting.owner}: no runtime can open {setting.name}, it makes a directory of the interface's dot"
            hint = "set it through a NetworkAttachmentDefinition with IFNAME"
            yield find(RULE.id, RULE.severity, setting, (), text, hint=hint)


RULE = Rule("PSC011", "dotted-interface", Severity.ERROR, "A dot inside an interface's name", check)
