"""The sysctl has one value for the whole machine: no pod can have its own.

Kubelets refuse names outside the known namespaces whatever they are told to allow, so the pod ends as
SysctlForbidden. The usual victims are `vm.max_map_count`, `vm.swappiness`, `fs.file-max` and `kernel.pid_max`.

Set it on the nodes: a Tuned object on OpenShift, sysctl.d or a node profile elsewhere; and schedule the pod there.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.kubelet import KernelNamespace
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import namespace_by_rule, parse, row
from podsysctl.policy.lint.setting import Place
from podsysctl.sysctls.catalogue import Namespace


def check(context: Context) -> Iterator[Finding]:
    """Names in pods that Kubernetes knows no namespace for."""
    for setting in context.settings:
        if setting.place is not Place.POD or parse(setting.name) is None:
            continue
        if namespace_by_rule(setting.name) is not KernelNamespace.UNKNOWN:
            continue
        known = row(setting.name)
        why = "has no namespace that a kubelet knows"
        if known is not None and known.namespace is Namespace.NODE:
            why = "has one value for the whole node"
        text = f"{setting.owner}: {setting.name} {why}: no kubelet starts this pod"
        yield find(RULE.id, RULE.severity, setting, (), text, hint="set it on the node (Tuned, sysctl.d)")


RULE = Rule("PSC005", "node-level-in-pod", Severity.ERROR, "A node-level sysctl stands in a pod", check)
