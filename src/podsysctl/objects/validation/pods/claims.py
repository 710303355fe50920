"""Rules of volume claims that stand inside other objects: ephemeral volumes and claim templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.quantity import parse_quantity
from podsysctl.objects.resources import is_whole
from podsysctl.objects.validation.fields import Errors, Named, each, forbidden, invalid, not_supported, required
from podsysctl.objects.validation.meta import validate_annotations, validate_labels, validate_selector

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")
_META_FIELDS = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "managedFields",
]


def validate_claim_template(template: Mapping[str, Any], errors: Errors, path: str) -> None:
    """The template of an ephemeral volume: labels and annotations alone in its metadata."""
    meta = template.get("metadata") or {}
    validate_annotations(meta.get("annotations"), errors, f"{path}.metadata.annotations")
    validate_labels(meta.get("labels"), errors, f"{path}.metadata.labels")
    for key in _META_FIELDS:
        if meta.get(key) not in (None, "", 0, [], {}):
            shown = "uID" if key == "uid" else key
            errors.append(forbidden(f"{path}.metadata.{shown}", "cannot be set"))
    validate_claim_spec(template.get("spec") or {}, errors, f"{path}.spec")


def validate_claim_spec(spec: Mapping[str, Any], errors: Errors, path: str) -> None:
    """Access modes, size, class and data source."""
    modes = spec.get("accessModes") or ()
    if not modes:
        errors.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    validate_selector(spec.get("selector"), errors, f"{path}.selector")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            errors.append(not_supported(f"{path}.accessModes", Named(mode), _ACCESS_MODES))
    if "ReadWriteOncePod" in modes and any(mode in _ACCESS_MODES[:3] for mode in modes):
        text = "may not use ReadWriteOncePod with other access modes"
        errors.append(forbidden(f"{path}.accessModes", text))
    _validate_size((spec.get("resources") or {}).get("requests") or {}, errors, f"{path}.resources[storage]")
    for key in ("storageClassName", "volumeAttributesClassName"):
        if key == "volumeAttributesClassName":
            _validate_rest(spec, errors, path)
        if spec.get(key):
            each(errors, f"{path}.{key}", spec[key], names.name_subdomain(spec[key]))


def _validate_size(requests: Mapping[str, Any], errors: Errors, path: str) -> None:
    size = requests.get("storage")
    if size is None:
        errors.append(required(path))
        return
    quantity = parse_quantity(size)
    if quantity.nanos <= 0:
        errors.append(invalid(path, quantity.text, "must be greater than zero"))
    elif is_whole("storage") and quantity.nanos % 1_000_000_000:
        errors.append(invalid(path, Named(quantity.text), "must be an integer"))


def _validate_rest(spec: Mapping[str, Any], errors: Errors, path: str) -> None:
    mode = spec.get("volumeMode")
    if mode is not None and mode not in _VOLUME_MODES:
        errors.append(not_supported(f"{path}.volumeMode", Named(mode), _VOLUME_MODES))
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None:
        _validate_data_source(source, errors, f"{path}.dataSource")
    if reference is not None:
        _validate_data_source(reference, errors, f"{path}.dataSourceRef")
        if reference.get("namespace"):
            namespace = reference["namespace"]
            each(errors, f"{path}.dataSourceRef.namespace", namespace, names.name_label(namespace))
    if source is None or reference is None:
        return
    if reference.get("namespace"):
        text = "may not be specified when dataSourceRef.namespace is specified"
        errors.append(invalid(path, {}, text))
    elif any((source.get(key) or "") != (reference.get(key) or "") for key in ("apiGroup", "kind", "name")):
        errors.append(invalid(path, {}, "must match dataSourceRef"))


def _validate_data_source(source: Mapping[str, Any], errors: Errors, path: str) -> None:
    if not source.get("name"):
        errors.append(required(f"{path}.name"))
    if not source.get("kind"):
        errors.append(required(f"{path}.kind"))
    group = source.get("apiGroup") or ""
    if not group and source.get("kind") != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(invalid(path, source.get("kind") or "", text))
    if group:
        each(errors, f"{path}.apiGroup", group, names.dns_subdomain(group))
