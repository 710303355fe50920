"""A default sysctl of the kubelet cannot work.

`defaultPodSysctls` (Kubernetes 1.37, behind the feature gate DefaultPodSysctls) is set in every pod of the node. A
name without namespace stops the kubelet; a value that the kernel refuses, or a name that it hides, stops every pod's
sandbox.

Correct the name or the value; in older versions leave the field out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podsysctl.base.errors import UsageError, ValueSyntaxError
from podsysctl.policy import kubelet
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Document, Kind, Path
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import is_node_level, row
from podsysctl.policy.lint.kubelet_lists import configuration_path
from podsysctl.sysctls.value import parse_value


def check(context: Context) -> Iterator[Finding]:
    """Version, gate, names and values."""
    for document in context.of_kind(Kind.KUBELET_CONFIG, Kind.KUBELET_FILE):
        base = configuration_path(document)
        path: Path = (*base, "defaultPodSysctls")
        fields: Any = document.get(*path)
        if not isinstance(fields, dict) or not fields:
            continue
        minor = context.target.cluster_minor
        if minor < kubelet.DEFAULT_POD_SYSCTLS_SINCE_MINOR:
            text = f"{document.title}: defaultPodSysctls is ignored before Kubernetes 1.37, this is 1.{minor}"
            yield find(RULE.id, Severity.WARNING, document, path, text, subject="version")
        elif document.get(*base, "featureGates", kubelet.DEFAULT_POD_SYSCTLS_GATE) is not True:
            text = f"{document.title}: defaultPodSysctls needs the feature gate {kubelet.DEFAULT_POD_SYSCTLS_GATE}"
            yield find(RULE.id, Severity.WARNING, document, path, text, subject="gate")
        for name, value in fields.items():
            problem = _problem(name, value)
            if problem:
                yield _found(document, (*path, name), f"{document.title}: {problem}", name)


def _problem(name: str, value: Any) -> str:
    if not isinstance(value, str):
        return f"the value of {name} is not a string"
    try:
        kubelet.parse_default_pod_sysctls({name: value})
    except UsageError as error:
        return error.message
    if is_node_level(name):
        return f"{name} has one value for the whole node: no pod of it could start"
    known = row(name)
    try:
        if known is not None:
            parse_value(known.spec, value, name=name, partial=True)
    except ValueSyntaxError as error:
        return error.message
    return ""


def _found(document: Document, path: Path, text: str, name: str) -> Finding:
    return find(RULE.id, RULE.severity, document, path, text, subject=name)


RULE = Rule("PSC107", "default-pod-sysctls", Severity.ERROR, "A default sysctl of the kubelet cannot work", check)
