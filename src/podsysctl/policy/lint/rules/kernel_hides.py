"""Every gate lets the name through, and the kernel does not: it has no such file in a new namespace.

Kubernetes takes every `net.*` name for namespaced. Dozens are not: `net.core.rmem_max`,
`net.core.netdev_max_backlog`, `net.core.default_qdisc`. The sandbox fails with `no such file or directory`, and the
pod stays ContainerCreating.

Set it on the nodes. `--kernel` takes a version, or facts recorded with `podsysctl sysctl probe -o json`.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.kubelet import KernelNamespace
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import namespace_by_rule, parse, row
from podsysctl.policy.lint.setting import Place, Setting
from podsysctl.sysctls.catalogue import Namespace
from podsysctl.sysctls.kernel_facts import InPod

_PLACES = (Place.POD, Place.CONTAINER)


def check(context: Context) -> Iterator[Finding]:
    """Names that only the prefix rule calls namespaced."""
    for setting in context.settings:
        if setting.place in _PLACES and namespace_by_rule(setting.name) is not KernelNamespace.UNKNOWN:
            why = _why(setting, context)
            if why:
                text = f"{setting.owner}: {setting.name} {why}: the sandbox cannot be made"
                yield find(RULE.id, RULE.severity, setting, (), text, hint="set it on the node (Tuned, sysctl.d)")


def _why(setting: Setting, context: Context) -> str:
    parsed, facts = parse(setting.name), context.target.facts
    if parsed is None:
        return ""
    if facts is not None:
        fact = facts.find(parsed)
        if fact is not None and fact.in_pod is InPod.ABSENT:
            return f"is absent in pods on Linux {facts.release}"
        if fact is not None and fact.in_pod in (InPod.READ_ONLY, InPod.OWN_READ_ONLY):
            return f"is read-only in pods on Linux {facts.release}"
        if fact is not None and fact.in_pod is not InPod.HIDDEN:
            return ""
    known, kernel = row(setting.name), context.target.kernel
    if known is None:
        return ""
    if known.namespace is Namespace.NODE:
        return "has one value for the whole node, although its prefix looks namespaced"
    if kernel is not None and known.namespaced_since is not None and kernel < known.namespaced_since:
        return f"is namespaced only since Linux {known.namespaced_since}, these nodes have {kernel}"
    return ""


RULE = Rule("PSC007", "kernel-hides-name", Severity.ERROR, "The kernel has no such file in a pod", check)
