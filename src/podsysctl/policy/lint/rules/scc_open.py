"""A constraint allows every unsafe sysctl.

`allowedUnsafeSysctls: ["*"]` leaves the decision to the kubelets of all nodes, now and later. Of the shipped
constraints only `privileged` does so. The label synchronisation of OpenShift takes any unsafe entry for privileged,
and silences Pod Security's warnings in the namespaces of those who may use it.

List the names.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind
from podsysctl.policy.lint.finding import Finding, Rule, Severity


def check(context: Context) -> Iterator[Finding]:
    """A star alone."""
    for document in context.of_kind(Kind.CONSTRAINT):
        entries = document.get("allowedUnsafeSysctls")
        if isinstance(entries, list) and "*" in entries and document.name != "privileged":
            text = f"{document.title}: every unsafe sysctl is allowed"
            yield find(RULE.id, RULE.severity, document, ("allowedUnsafeSysctls",), text, subject="*")


RULE = Rule("PSC202", "scc-allows-every-sysctl", Severity.WARNING, "A constraint allows every sysctl", check)
