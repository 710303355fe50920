"""A Tuned object recommends a profile that nobody defines.

Nothing checks this before the node: TuneD answers `Requested profile doesn't exist`, and what was tuned before is
already rolled back.

Define the profile, or recommend one that exists. OpenShift's own profiles and TuneD's usual ones are known.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind
from podsysctl.policy.lint.extraction import profiles
from podsysctl.policy.lint.finding import Finding, Rule, Severity

SHIPPED = frozenset(
    {
        "openshift",
        "openshift-node",
        "openshift-control-plane",
        "openshift-node-performance",
        "throughput-performance",
        "latency-performance",
        "network-latency",
        "network-throughput",
        "virtual-guest",
        "virtual-host",
        "balanced",
        "powersave",
        "cpu-partitioning",
        "realtime",
        "hpc-compute",
        "postgresql",
        "oracle",
        "mssql",
    }
)
"""Profiles of TuneD and of OpenShift, which need no definition."""


def check(context: Context) -> Iterator[Finding]:
    """Compare recommendations with all profiles among the files."""
    documents = list(context.of_kind(Kind.TUNED))
    known = SHIPPED | {name for document in documents for _, name, _ in profiles(document)}
    for document in documents:
        entries = document.get("spec", "recommend")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            wanted = entry.get("profile") if isinstance(entry, dict) else None
            if isinstance(wanted, str) and wanted not in known:
                path = ("spec", "recommend", index, "profile")
                text = f"{document.title}: nobody defines the profile {wanted}"
                yield find(RULE.id, RULE.severity, document, path, text, subject=wanted)


RULE = Rule("PSC302", "tuned-profile-missing", Severity.ERROR, "A recommended profile does not exist", check)
