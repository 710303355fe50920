"""A namespaced sysctl is set on the node: pods do not see it.

Tuned objects and sysctl.d files act in the host's namespaces. A pod starts with the kernel's own defaults, so
`net.core.somaxconn` on the node changes nothing for it. A few names are inherited when a network namespace is made;
`podsysctl explain NAME` says which.

Set it in the pod, or with `defaultPodSysctls` (Kubernetes 1.37). For the node's own traffic ignore this note.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import row
from podsysctl.policy.lint.rules import tuned_refused
from podsysctl.policy.lint.setting import Place
from podsysctl.sysctls.catalogue import Namespace

_OF_A_POD = (Namespace.NET, Namespace.IPC, Namespace.UTS)


def check(context: Context) -> Iterator[Finding]:
    """Names of Tuned profiles that each pod has for itself, unless no node would apply the entry anyway."""
    notes = list(_notes(context))
    refused = {(found.file, found.position.line) for found in tuned_refused.check(context)} if notes else set()
    yield from (note for note in notes if (note.file, note.position.line) not in refused)


def _notes(context: Context) -> Iterator[Finding]:
    for setting in context.settings:
        if setting.place is not Place.NODE or setting.document is None or setting.document.kind is not Kind.TUNED:
            continue
        known = row(setting.name)
        if known is not None and known.namespace in _OF_A_POD:
            text = f"{setting.owner}: pods keep their own {setting.name}, this changes only the host's"
            yield find(RULE.id, RULE.severity, setting, (), text)


RULE = Rule("PSC303", "node-value-not-in-pods", Severity.NOTE, "Pods do not see the node's value", check)
