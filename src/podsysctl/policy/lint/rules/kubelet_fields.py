"""A kubelet configuration has a field that is refused, or of the wrong type.

OpenShift's operator refuses cgroupDriver, clusterDNS, clusterDomain, featureGates and failSwapOn in a KubeletConfig,
and anything it cannot read; the object is stored, its status says why, and no pool it selects is rendered any more.

Correct the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podsysctl.policy.kubelet_config_fields import FORBIDDEN_FIELDS
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind, Path
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.kubelet_lists import configuration_path


def check(context: Context) -> Iterator[Finding]:
    """Types everywhere, forbidden fields in OpenShift's object."""
    for document in context.of_kind(Kind.KUBELET_CONFIG, Kind.KUBELET_FILE):
        base = configuration_path(document)
        fields: Any = document.get(*base)
        if not isinstance(fields, dict):
            continue
        listed = fields.get("allowedUnsafeSysctls")
        for path in _wrong_places(listed):
            text = f"{document.title}: allowedUnsafeSysctls must be a list of strings"
            where: Path = (*base, "allowedUnsafeSysctls", *path)
            yield find(RULE.id, RULE.severity, document, where, text, subject="allowedUnsafeSysctls")
        if document.kind is not Kind.KUBELET_CONFIG:
            continue
        for name in FORBIDDEN_FIELDS:
            value = fields.get(name)
            if value not in (None, "", [], {}) and not (name == "failSwapOn" and value is False):
                text = f"{document.title}: {name} is not allowed to be set"
                yield find(RULE.id, RULE.severity, document, (*base, name), text, subject=name)


def _wrong_places(listed: Any) -> list[Path]:
    """Where the list is no list, or holds something that is no string."""
    if not isinstance(listed, list):
        return [] if listed is None else [()]
    return [(index,) for index, entry in enumerate(listed) if not isinstance(entry, str)]


RULE = Rule("PSC105", "kubelet-field-refused", Severity.ERROR, "A kubelet field is refused", check)
