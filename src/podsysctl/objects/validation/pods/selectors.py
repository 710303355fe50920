"""Rules of references to the pod's own fields and resources, in variables and volumes (the downward API)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.quantity import parse_quantity
from podsysctl.objects.validation.fields import Errors, each, invalid, not_supported, required

_LABELS = frozenset(
    [
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.serviceAccountName",
        "spec.schedulerName",
        "status.phase",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ]
)
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def validate_field_selector(selector: Mapping[str, Any], supported: Sequence[str], errors: Errors, path: str) -> None:
    """A reference to a field of the pod; `supported` lists those that may stand here, sorted."""
    version, field = selector.get("apiVersion") or "", selector.get("fieldPath") or ""
    if not version:
        errors.append(required(f"{path}.apiVersion"))
        return
    if not field:
        errors.append(required(f"{path}.fieldPath"))
        return
    base, subscript = _split(field)
    problem = _conversion_error(version, field, base, subscript)
    if problem:
        errors.append(invalid(f"{path}.fieldPath", field, f"error converting fieldPath: {problem}"))
        return
    if field == "spec.host":
        base = "spec.nodeName"
    if subscript is not None:
        key = subscript.lower() if base == "metadata.annotations" else subscript
        each(errors, path, key, names.qualified_name(key))
    elif base not in supported:
        errors.append(not_supported(f"{path}.fieldPath", base, supported))


def _split(field: str) -> tuple[str, str | None]:
    if field.endswith("']"):
        base, found, subscript = field.removesuffix("']").partition("['")
        if found and base:
            return base, subscript
    return field, None


def _conversion_error(version: str, field: str, base: str, subscript: str | None) -> str:
    if version != "v1":
        return f"unsupported pod version: {version}"
    if subscript is not None:
        if base in ("metadata.annotations", "metadata.labels"):
            return ""
        return f"field label does not support subscript: {field}"
    return "" if field in _LABELS or field == "spec.host" else f"field label not supported: {field}"


def validate_resource_selector(selector: Mapping[str, Any], in_volume: bool, errors: Errors, path: str) -> None:
    """A reference to a container's limits or requests."""
    resource = selector.get("resource") or ""
    if in_volume and not selector.get("containerName"):
        errors.append(required(f"{path}.containerName"))
    elif not resource:
        errors.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        errors.append(not_supported(f"{path}.resource", resource, _RESOURCES))
    _validate_divisor(resource, selector.get("divisor") or "0", errors, path)


def _validate_divisor(resource: str, divisor: str, errors: Errors, path: str) -> None:
    if parse_quantity(divisor).nanos == 0:
        return
    kind = resource.partition(".")[2]
    if kind == "cpu" and resource in _RESOURCES:
        if divisor not in ("1m", "1"):
            text = "only divisor's values 1m and 1 are supported with the cpu resource"
            errors.append(invalid(f"{path}.divisor", resource, text))
        return
    name = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(kind)
    if name is None or resource not in _RESOURCES:
        if not resource.startswith(_HUGE_PAGES):
            return
        name = "hugepages"
    if divisor not in _SIZES:
        text = f"only divisor's values {', '.join(_SIZES)} are supported with the {name} resource"
        errors.append(invalid(f"{path}.divisor", resource, text))
