"""The tuning plugin refuses a sysctl of a NetworkAttachmentDefinition.

It takes names below `net` only, and where the node has an allowlist only those that match. OpenShift's default list
holds the safe ones, with the word IFNAME where the interface stands; a spelled-out interface name never matches.

Write IFNAME, and add a line to the ConfigMap cni-sysctl-allowlist for a name that is not on the list.

A name that belongs to no interface is set for the whole pod, behind the kubelet's back: a node of podsysctl refuses it
unless allowedUnsafeSysctls has it too.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.base.versions import KernelVersion
from podsysctl.policy import interface, kubelet
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import parse
from podsysctl.policy.lint.setting import Place
from podsysctl.sysctls.name import INTERFACE_TOKEN

_NEWEST = KernelVersion(99, 0)
"""Every safe name counts: which kernel the nodes have is other rules' business."""


def check(context: Context) -> Iterator[Finding]:
    """Ask the plugin's gate, first without an allowlist, then with the default one."""
    default = interface.default_allowlist()
    for setting in context.settings:
        if setting.place is not Place.INTERFACE:
            continue
        outside = interface.evaluate(setting.name, "net1", None)
        if outside.stops:
            yield find(RULE.id, RULE.severity, setting, (), f"{setting.owner}: {outside.reason}")
            continue
        if interface.find_bypass(setting.name, kubelet.Allowlist.parse((), _NEWEST)) is not None:
            text = f"{setting.owner}: {setting.name} is set for the whole pod, which the kubelet's list does not allow"
            hint = "remove it, or allow it in allowedUnsafeSysctls of a KubeletConfig and in cni-sysctl-allowlist"
            yield find(RULE.id, Severity.WARNING, setting, (), text, hint=hint)
            continue
        parsed = parse(setting.name)
        if parsed is not None and parsed.interface not in (None, INTERFACE_TOKEN):
            text = f"{setting.owner}: {setting.name} names interface {parsed.interface}, allowlists know IFNAME"
            yield find(RULE.id, Severity.WARNING, setting, (), text, hint="write IFNAME")
        elif interface.evaluate(setting.name, "net1", default).stops:
            text = f"{setting.owner}: {setting.name} is not on OpenShift's default allowlist"
            hint = "add a line to the ConfigMap cni-sysctl-allowlist in openshift-multus"
            yield find(RULE.id, Severity.WARNING, setting, (), text, hint=hint)


RULE = Rule("PSC402", "attachment-key-refused", Severity.ERROR, "The tuning plugin refuses the sysctl", check)
