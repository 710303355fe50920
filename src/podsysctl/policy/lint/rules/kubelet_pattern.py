"""An entry of allowedUnsafeSysctls stops the kubelet from starting.

The kubelet reads the list at its start and exits for an entry with a wrong form or a name outside the known
namespaces: `kernel.*`, `vm.max_map_count`, `net*`, a star in the middle. Nothing checks the list before: it is
rolled out to the first node of the pool, which stays NotReady, and the rollout stops there.

Write names or prefixes of `net.`, `fs.mqueue.`, `kernel.shm*`, `kernel.msg*` and `kernel.sem`.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.base.errors import UsageError
from podsysctl.policy.kubelet import Allowlist
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.kubelet_lists import kubelet_lists


def check(context: Context) -> Iterator[Finding]:
    """Ask the kubelet's own parser about each entry."""
    for document, path, entries in kubelet_lists(context):
        for index, entry in enumerate(entries):
            if not isinstance(entry, str):
                continue
            try:
                Allowlist.parse((entry,), context.target.kernel, kubelet_minor=context.target.cluster_minor)
            except UsageError as error:
                text = f"{document.title}: no kubelet starts with this entry: {error.message}"
                yield find(RULE.id, RULE.severity, document, (*path, index), text, subject=entry)


RULE = Rule("PSC101", "kubelet-pattern-fatal", Severity.ERROR, "The entry stops the kubelet", check)
