"""A SecurityContextConstraints object is refused when it is written.

The API server answers 422: sysctl patterns with slashes, a star beside other entries, lists that overlap,
capabilities that are allowed and dropped, strategies that do not exist.

Correct the field that the message names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Document, Kind, Path
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.scc import defaulting, validation

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_LISTS = (
    "defaultAddCapabilities",
    "requiredDropCapabilities",
    "allowedCapabilities",
    "volumes",
    "users",
    "groups",
    "seccompProfiles",
    "allowedUnsafeSysctls",
    "forbiddenSysctls",
)


def check(context: Context) -> Iterator[Finding]:
    """Ask the server's own validation."""
    for document in context.of_kind(Kind.CONSTRAINT):
        problem = _type_problem(document)
        if problem:
            text = f"{document.title}: {problem} has the wrong type"
            yield find(RULE.id, RULE.severity, document, (problem,), text, subject=problem)
            continue
        for error in validation.validate(defaulting.apply_defaults(document.value)):
            text = f"{document.title}: {error}"
            yield find(RULE.id, RULE.severity, document, _path(error.path), text, subject=error.path)


def _type_problem(document: Document) -> str:
    """The first field whose type is wrong; the schema would refuse it."""
    for name in _LISTS:
        value = document.get(name)
        if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            return name
    for name in ("fsGroup", "supplementalGroups"):
        ranges = document.get(name, "ranges")
        if ranges is not None and not (isinstance(ranges, list) and all(_is_range(item) for item in ranges)):
            return name
    for name in ("fsGroup", "supplementalGroups", "runAsUser", "seLinuxContext"):
        value = document.get(name)
        if value is not None and (not isinstance(value, dict) or not isinstance(value.get("type") or "", str)):
            return name
    for path in (("priority",), ("runAsUser", "uid")):
        value = document.get(*path)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            return path[0]
    flex = document.get("allowedFlexVolumes")
    if flex is not None and not (isinstance(flex, list) and all(isinstance(item, dict) for item in flex)):
        return "allowedFlexVolumes"
    return ""


def _is_range(item: object) -> bool:
    return isinstance(item, dict) and all(isinstance(item.get(key) or 0, int) for key in ("min", "max"))


def _path(text: str) -> Path:
    """`allowedUnsafeSysctls[0]` as the steps to it."""
    return tuple(int(index) if index else name for name, index in _STEP.findall(text))


RULE = Rule("PSC201", "scc-invalid", Severity.ERROR, "The API server refuses the constraint", check)
