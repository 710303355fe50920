"""Rules of Nodes and Namespaces (Kubernetes 1.36 pkg/apis/core/validation)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.addresses import range_errors, range_family
from podsysctl.objects.quote import quote
from podsysctl.objects.validation.fields import Errors, Named, duplicate, each, forbidden, invalid
from podsysctl.objects.validation.meta import validate_finalizer_name, validate_metadata, validate_update_metadata
from podsysctl.objects.validation.pods.amounts import validate_quantity
from podsysctl.objects.validation.pods.scheduling import validate_taints

Object = Mapping[str, Any]

_ONCE = 'node updates may not change {} except from "" to valid'
_LONGEST_FEATURE = 253
_FEATURE = r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*"
_FEATURE_TEXT = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or "
    "MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)
_PHASES = {
    "Active": "may only be 'Active' if `deletionTimestamp` is empty",
    "Terminating": "may only be 'Terminating' if `deletionTimestamp` is not empty",
}


def validate_node(obj: Object, errors: Errors) -> None:
    """A new Node."""
    spec = obj.get("spec") or {}
    validate_metadata(obj.get("metadata") or {}, False, names.name_subdomain, errors)
    validate_taints(spec.get("taints") or (), errors, "metadata.taints")
    _validate_amounts(obj, errors)
    swap = ((obj.get("status") or {}).get("nodeInfo") or {}).get("swap") or {}
    if swap.get("capacity") is not None and swap["capacity"] <= 0:
        errors.append(invalid("metadata.nodeSwapStatus.capacity", swap["capacity"], "must be greater than zero"))
    _validate_features(obj, errors)
    ranges = spec.get("podCIDRs") or ()
    for index, text in enumerate(ranges):
        each(errors, f"spec.podCIDRs[{index}]", text, range_errors(text))
    if len(ranges) > 1 and sorted(str(range_family(text)) for text in ranges) != ["4", "6"]:
        text = "may specify no more than one CIDR for each IP family"
        errors.append(invalid("spec.podCIDRs", list(ranges), text))


def _validate_features(obj: Object, errors: Errors) -> None:
    path, before = "status.declaredFeatures", None
    for index, name in enumerate((obj.get("status") or {}).get("declaredFeatures") or ()):
        where = f"{path}[{index}]"
        if before is not None and name == before:
            errors.append(duplicate(where, name))
        elif before is not None and name < before:
            errors.append(invalid(where, name, "list must be sorted alphabetically"))
        if len(name.encode()) > _LONGEST_FEATURE:
            text = f"must be no more than {_LONGEST_FEATURE} characters"
            errors.append(invalid(where, name, f"invalid feature name {quote(name)}: {text}"))
        elif not re.fullmatch(_FEATURE, name):
            errors.append(invalid(where, name, f"invalid feature name {quote(name)}: {_FEATURE_TEXT}"))
        before = name


def _validate_amounts(obj: Object, errors: Errors) -> None:
    status = obj.get("status") or {}
    for what in ("capacity", "allocatable"):
        for name, value in (status.get(what) or {}).items():
            validate_quantity(name, value, errors, f"status.{what}.{name}")


def validate_node_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed Node."""
    validate_node(new, errors)
    validate_node_status_update(new, old, errors)


def validate_node_status_update(new: Object, old: Object, errors: Errors) -> None:
    """A Node whose status changes, and the part of the rules that every update has."""
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    validate_update_metadata(new, old, errors)
    _validate_amounts(new, errors)
    _validate_features(new, errors)
    seen: set[tuple[str, str]] = set()
    for index, address in enumerate((new.get("status") or {}).get("addresses") or ()):
        pair = (address.get("type") or "", address.get("address") or "")
        if pair in seen:
            errors.append(duplicate(f"status.addresses[{index}]", {"Type": pair[0], "Address": pair[1]}))
        seen.add(pair)
    ranges, old_ranges = spec.get("podCIDRs") or [], old_spec.get("podCIDRs") or []
    changes = sum(a != b for a, b in zip(ranges, old_ranges, strict=False)) if len(ranges) == len(old_ranges) else 1
    if old_ranges:
        errors += [forbidden("spec.podCIDRs", _ONCE.format("podCIDR"))] * changes
    provider = old_spec.get("providerID") or ""
    if provider and provider != (spec.get("providerID") or ""):
        errors.append(forbidden("spec.providerID", _ONCE.format("providerID")))
    validate_taints(spec.get("taints") or (), errors, "metadata.taints")
    if (spec.get("externalID") or "") != (old_spec.get("externalID") or ""):
        errors.append(forbidden("spec.externalID", "may not be updated"))


def validate_namespace(obj: Object, errors: Errors) -> None:
    """A new Namespace."""
    validate_metadata(obj.get("metadata") or {}, False, names.name_label, errors)
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        validate_finalizer_name(name, errors, "spec.finalizers")


def validate_namespace_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed Namespace."""
    validate_namespace(new, errors)
    validate_update_metadata(new, old, errors)


def validate_namespace_status_update(new: Object, old: Object, errors: Errors) -> None:
    """A Namespace whose phase changes: it must say whether the namespace is being deleted."""
    validate_update_metadata(new, old, errors)
    wanted = "Terminating" if (new.get("metadata") or {}).get("deletionTimestamp") else "Active"
    phase = (new.get("status") or {}).get("phase") or ""
    if phase != wanted:
        errors.append(invalid("status.Phase", Named(phase), _PHASES[wanted]))


def validate_namespace_finalize(new: Object, old: Object, errors: Errors) -> None:
    """A Namespace whose own finalizers change."""
    validate_update_metadata(new, old, errors)
    for index, name in enumerate((new.get("spec") or {}).get("finalizers") or ()):
        validate_finalizer_name(name, errors, f"spec.finalizers[{index}]")
