"""Sysctls stand below a container, where the API has no such field.

`sysctls` belongs to the pod's securityContext, for all its containers. Below a container strict clients refuse it;
others drop it, and nothing is set.

Move it to `spec.securityContext.sysctls`.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind
from podsysctl.policy.lint.extraction import spec_path
from podsysctl.policy.lint.finding import Finding, Rule, Severity

_KINDS = ("initContainers", "containers", "ephemeralContainers")


def check(context: Context) -> Iterator[Finding]:
    """Containers with a field that does not exist."""
    for document in context.of_kind(Kind.WORKLOAD):
        base = spec_path(document)
        for kind in _KINDS:
            containers = document.get(*base, kind)
            for index in range(len(containers) if isinstance(containers, list) else 0):
                path = (*base, kind, index, "securityContext", "sysctls")
                if document.get(*path) is not None:
                    name = document.get(*base, kind, index, "name")
                    text = f"{document.title}: container {name} has sysctls, which only a pod can have"
                    hint = "move them to spec.securityContext.sysctls"
                    yield find(RULE.id, RULE.severity, document, path, text, subject=str(name), hint=hint)


RULE = Rule("PSC014", "container-level-sysctls", Severity.ERROR, "Sysctls stand below a container", check)
