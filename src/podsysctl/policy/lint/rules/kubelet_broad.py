"""An entry of an allowlist opens far more than one sysctl.

`net.*` lets every pod that passes admission change routing, filtering and the limits of its whole network namespace,
and includes names that no pod can have. Each additional name is somebody else's outage.

List the names that are needed.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy import kubelet
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.kubelet_lists import kubelet_lists

_BROAD = frozenset(
    {"net", "net.", "net.core.", "net.ipv4.", "net.ipv6.", "net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.tcp_"}
)


def check(context: Context) -> Iterator[Finding]:
    """Prefixes that hold dozens of names."""
    for document, path, entries in kubelet_lists(context):
        for index, entry in enumerate(entries):
            if isinstance(entry, str) and entry.endswith("*") and kubelet.normalize_name(entry)[:-1] in _BROAD:
                text = f"{document.title}: {entry} allows dozens of sysctls to every pod of the node"
                yield find(RULE.id, RULE.severity, document, (*path, index), text, subject=entry)


RULE = Rule("PSC102", "kubelet-pattern-broad", Severity.WARNING, "The entry allows dozens of sysctls", check)
