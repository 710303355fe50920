"""Rules of object metadata, labels and label selectors, for every kind (apimachinery api/validation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.names import NameRule
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    each,
    forbidden,
    invalid,
    required,
    too_long,
)

ANNOTATIONS_BYTES = 256 * 1024
_MANAGER_BYTES = 128
_SUBRESOURCE_BYTES = 256
IMMUTABLE = "field is immutable"
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_NOT_NEGATIVE = "must be greater than or equal to 0"

Meta = Mapping[str, Any]


def validate_metadata(
    meta: Meta, namespaced: bool, name_rule: NameRule, errors: Errors, path: str = "metadata", *, is_core: bool = True
) -> None:
    """Metadata of a new object. `is_core` adds the rule for short finalizer names that core kinds have."""
    generate = meta.get("generateName") or ""
    if generate:
        each(errors, f"{path}.generateName", generate, name_rule(generate, True))
    name = meta.get("name") or ""
    if not name:
        errors.append(required(f"{path}.name", "name or generateName is required"))
    else:
        each(errors, f"{path}.name", name, name_rule(name, False))
    _validate_common(meta, namespaced, errors, path)
    if is_core:
        validate_finalizer_names(meta, errors, path)


def _validate_common(meta: Meta, namespaced: bool, errors: Errors, path: str) -> None:
    namespace = meta.get("namespace") or ""
    if namespaced:
        if not namespace:
            errors.append(required(f"{path}.namespace"))
        else:
            each(errors, f"{path}.namespace", namespace, names.name_label(namespace))
    elif namespace:
        errors.append(forbidden(f"{path}.namespace", "not allowed on this type"))
    generation = meta.get("generation") or 0
    if generation < 0:
        errors.append(invalid(f"{path}.generation", generation, _NOT_NEGATIVE))
    validate_labels(meta.get("labels"), errors, f"{path}.labels")
    validate_annotations(meta.get("annotations"), errors, f"{path}.annotations")
    _validate_owners(meta.get("ownerReferences") or (), errors, f"{path}.ownerReferences")
    _validate_finalizers(meta.get("finalizers") or (), errors, f"{path}.finalizers")
    if meta.get("managedFields"):
        _validate_managed_fields(meta["managedFields"], errors, f"{path}.managedFields")


def validate_metadata_update(new: Meta, old: Meta, errors: Errors, path: str = "metadata") -> None:
    """What an update may do to metadata."""
    if old.get("deletionTimestamp") is not None:
        added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            shown = ", ".join(f'"{name}"' for name in added)
            text = "no new finalizers can be added if the object is being deleted, found new finalizers"
            errors.append(forbidden(f"{path}.finalizers", f"{text} []string{{{shown}}}"))
    if not new.get("resourceVersion"):
        errors.append(invalid(f"{path}.resourceVersion", "", "must be specified for an update"))
    if (new.get("generation") or 0) < (old.get("generation") or 0):
        errors.append(invalid(f"{path}.generation", new.get("generation") or 0, "must not be decremented"))
    for key in ("name", "namespace", "uid"):
        if (new.get(key) or "") != (old.get(key) or ""):
            value = new.get(key) or ""
            errors.append(invalid(f"{path}.{key}", Named(value) if key == "uid" else value, IMMUTABLE))
    for key in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(key) != old.get(key):
            value = new.get(key)
            errors.append(invalid(f"{path}.{key}", Named(value) if isinstance(value, str) else value, IMMUTABLE))
    validate_labels(new.get("labels"), errors, f"{path}.labels")
    validate_annotations(new.get("annotations"), errors, f"{path}.annotations")
    _validate_owners(new.get("ownerReferences") or (), errors, f"{path}.ownerReferences")
    if new.get("managedFields"):
        _validate_managed_fields(new["managedFields"], errors, f"{path}.managedFields")


def validate_finalizer_names(meta: Meta, errors: Errors, path: str = "metadata") -> None:
    """Finalizers without a prefix must be standard ones."""
    for index, name in enumerate(meta.get("finalizers") or ()):
        _validate_short_finalizer(name, errors, f"{path}.finalizers[{index}]")


def _validate_short_finalizer(name: str, errors: Errors, path: str) -> None:
    if "/" not in name and name not in _STANDARD_FINALIZERS:
        text = "name is neither a standard finalizer name nor is it fully qualified"
        errors.append(invalid(path, name, text))


def validate_finalizer_name(name: str, errors: Errors, path: str) -> None:
    """A finalizer outside metadata: a qualified name, or a standard one."""
    each(errors, path, name, names.qualified_name(name))
    _validate_short_finalizer(name, errors, path)


def validate_update_metadata(new: Meta, old: Meta, errors: Errors) -> None:
    """Metadata of an updated object of a core kind."""
    validate_metadata_update(new.get("metadata") or {}, old.get("metadata") or {}, errors)
    validate_finalizer_names(new.get("metadata") or {}, errors)


def validate_labels(labels: Mapping[str, str] | None, errors: Errors, path: str) -> None:
    """Keys and values of labels."""
    for key, value in (labels or {}).items():
        if wrong := names.qualified_name(key):
            each(errors, path, key, wrong)
        if wrong := names.label_value(value):
            each(errors, path, value, wrong)


def validate_label_name(key: str, errors: Errors, path: str) -> None:
    """The key of a label."""
    each(errors, path, key, names.qualified_name(key))


def validate_annotations(annotations: Mapping[str, str] | None, errors: Errors, path: str) -> None:
    """Keys of annotations, whatever their case, and their size together."""
    if not annotations:
        return
    size = 0
    for key, value in annotations.items():
        if wrong := names.qualified_name(key.lower()):
            each(errors, path, key, wrong)
        size += _bytes(key) + _bytes(value)
    if size > ANNOTATIONS_BYTES:
        errors.append(too_long(path, ANNOTATIONS_BYTES))


def _bytes(text: str) -> int:
    """Length in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _validate_owners(owners: Any, errors: Errors, path: str) -> None:
    controller = ""
    for owner in owners:
        group, _, version = (owner.get("apiVersion") or "").rpartition("/")
        if not version:
            errors.append(invalid(f"{path}.apiVersion", owner.get("apiVersion") or "", "version must not be empty"))
        for key in ("kind", "name", "uid"):
            if not owner.get(key):
                errors.append(invalid(f"{path}.{key}", Named("") if key == "uid" else "", "must not be empty"))
        if (group, version, owner.get("kind")) == ("", "v1", "Event"):
            errors.append(invalid(path, _owner_json(owner), "/v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            current = f"{owner.get('kind') or ''}/{owner.get('name') or ''}"
            if controller:
                text = 'Only one reference can have Controller set to true. Found "true" in references for'
                shown = [_owner_json(item) for item in owners]
                errors.append(invalid(path, shown, f"{text} {controller} and {current}"))
            else:
                controller = current


def _owner_json(owner: Meta) -> dict[str, Any]:
    out = {key: owner.get(key) or "" for key in ("apiVersion", "kind", "name", "uid")}
    out |= {key: owner[key] for key in ("controller", "blockOwnerDeletion") if owner.get(key) is not None}
    return out


def _validate_finalizers(finalizers: Any, errors: Errors, path: str) -> None:
    for name in finalizers:
        each(errors, path, name, names.qualified_name(name))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(path, list(finalizers), text))


def _validate_managed_fields(entries: Any, errors: Errors, path: str) -> None:
    for index, entry in enumerate(entries):
        where = f"{path}[{index}]"
        if entry.get("operation") not in ("Apply", "Update"):
            errors.append(
                invalid(f"{where}.operation", Named(entry.get("operation") or ""), "must be `Apply` or `Update`")
            )
        kind = entry.get("fieldsType") or ""
        if kind and kind != "FieldsV1":
            errors.append(invalid(f"{where}.fieldsType", kind, "must be `FieldsV1`"))
        validate_field_manager(entry.get("manager") or "", errors, f"{where}.manager")
        if len((entry.get("subresource") or "").encode()) > _SUBRESOURCE_BYTES:
            errors.append(too_long(f"{where}.subresource", _SUBRESOURCE_BYTES))


def validate_field_manager(manager: str, errors: Errors, path: str) -> None:
    """The name of a field manager: short and printable."""
    if len(manager.encode()) > _MANAGER_BYTES:
        errors.append(too_long(path, _MANAGER_BYTES))
    if manager.isprintable():
        return
    offset = 0
    for char in manager:
        if not char.isprintable():
            errors.append(invalid(path, manager, f"invalid character U+{ord(char):04X} (at position {offset})"))
        offset += len(char.encode())


def validate_selector(
    selector: Mapping[str, Any] | None, errors: Errors, path: str, *, any_values: bool = False
) -> None:
    """A label selector; `any_values` leaves its values unchecked, for objects that were stored before the rule."""
    if selector is None:
        return
    validate_labels(selector.get("matchLabels"), errors, f"{path}.matchLabels")
    for index, row in enumerate(selector.get("matchExpressions") or ()):
        _validate_requirement(row, errors, f"{path}.matchExpressions[{index}]", any_values)


def _validate_requirement(row: Mapping[str, Any], errors: Errors, path: str, any_values: bool) -> None:
    operator = row.get("operator") or ""
    values = row.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{path}.values", text))
    else:
        errors.append(invalid(f"{path}.operator", Named(operator), "not a valid selector operator"))
    validate_label_name(row.get("key") or "", errors, f"{path}.key")
    if not any_values:
        for index, value in enumerate(values):
            each(errors, f"{path}.values[{index}]", value, names.label_value(value))
