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
from podsysctl.policy.lint.document import Kind
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
        if listed is not None and not (isinstance(listed, list) and all(isinstance(e, str) for e in listed)):
            text = f"{document.title}: allowedUnsafeSysctls must be a list of strings"
            path = (*base, "allowedUnsafeSysctls")
            yield find(RULE.id, RULE.severity, document, path, text, subject="allowedUnsafeSysctls")
        if document.kind is not Kind.KUBELET_CONFIG:
            continue
        for name in FORBIDDEN_FIELDS:
            value = fields.get(name)
            if value not in (None, "", [], {}) and not (name == "failSwapOn" and value is False):
                text = f"{document.title}: {name} is not allowed to be set"
                yield find(RULE.id, RULE.severity, document, (*base, name), text, subject=name)


RULE = Rule("PSC105", "kubelet-field-refused", Severity.ERROR, "A kubelet field is refused", check)
