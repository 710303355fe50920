"""Rules of CustomResourceDefinitions (apiextensions 1.36 pkg/apis/apiextensions/validation).

What all versions have in common is judged once, at the path upstream gives it: `spec.validation`,
`spec.subresources`, `spec.additionalPrinterColumns`, `spec.selectableFields`. Webhook conversion is refused, since
this server does not call webhooks to convert.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from podsysctl.objects import names, structural
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
    too_many,
)
from podsysctl.objects.validation.meta import IMMUTABLE, validate_metadata, validate_metadata_update

Object = Mapping[str, Any]

_SCOPES = ("Cluster", "Namespaced")
_SHARED = {
    "subresources": "subresources",
    "schema": "validation",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE_TYPES = ("string", "boolean", "integer")
_MOST_SELECTABLE = 8
_APPROVAL = "api-approved.kubernetes.io"
_PROTECTED = ("k8s.io", "kubernetes.io")
_LONGEST_WARNING_BYTES = 256


def validate_definition(obj: Object, errors: Errors) -> None:
    """A new definition."""
    spec = obj.get("spec") or {}
    wanted = f"{(spec.get('names') or {}).get('plural') or ''}.{spec.get('group') or ''}"

    def name_rule(name: str, is_prefix: bool) -> list[str]:
        problems = list(names.name_subdomain(name, is_prefix))
        return problems if name == wanted else [*problems, 'must be spec.names.plural+"."+spec.group']

    validate_metadata(obj.get("metadata") or {}, False, name_rule, errors, is_core=False)
    _validate_spec(spec, errors)
    _validate_status(obj, errors)
    _validate_approval(obj, None, errors)
    _validate_unpruned(spec, None, errors)


def validate_definition_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed definition: its group and plural stay, and once established its scope and kind too."""
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    validate_metadata_update(new.get("metadata") or {}, old.get("metadata") or {}, errors)
    _validate_spec(spec, errors)
    if _is_established(old):
        _keep(spec.get("scope") or "", old_spec.get("scope") or "", errors, "spec.scope", is_named=True)
        _keep_name(spec, old_spec, "kind", errors)
    _keep(spec.get("group") or "", old_spec.get("group") or "", errors, "spec.group")
    _keep_name(spec, old_spec, "plural", errors)
    _validate_status(new, errors)
    _validate_approval(new, old, errors)
    _validate_unpruned(spec, old_spec, errors)


def validate_definition_status_update(new: Object, old: Object, errors: Errors) -> None:
    """A definition whose status changes."""
    validate_metadata_update(new.get("metadata") or {}, old.get("metadata") or {}, errors)
    _validate_names((new.get("status") or {}).get("acceptedNames") or {}, errors, "status.acceptedNames")


def _is_established(obj: Object) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(row.get("type") == "Established" and row.get("status") == "True" for row in conditions)


def _keep(value: str, before: str, errors: Errors, path: str, *, is_named: bool = False) -> None:
    if value != before:
        errors.append(invalid(path, Named(value) if is_named else value, IMMUTABLE))


def _keep_name(spec: Object, old: Object, key: str, errors: Errors) -> None:
    value, before = ((part.get("names") or {}).get(key) or "" for part in (spec, old))
    _keep(value, before, errors, f"spec.names.{key}")


def _validate_spec(spec: Object, errors: Errors) -> None:
    group, scope = spec.get("group") or "", spec.get("scope") or ""
    if not group:
        errors.append(required("spec.group"))
    elif names.dns_subdomain(group):
        errors.append(invalid("spec.group", group, ",".join(names.dns_subdomain(group))))
    elif "." not in group:
        errors.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    if not scope:
        errors.append(required("spec.scope"))
    elif scope not in _SCOPES:
        errors.append(not_supported("spec.scope", scope, _SCOPES))
    versions = spec.get("versions") or []
    shared = {key: _common(versions, key) for key in _SHARED}
    if not (shared["schema"] or {}).get("openAPIV3Schema"):
        for index, version in enumerate(versions):
            if not (version.get("schema") or {}).get("openAPIV3Schema"):
                errors.append(required(f"spec.versions[{index}].schema.openAPIV3Schema"))
    for index, version in enumerate(versions):
        _validate_version(version, shared, errors, f"spec.versions[{index}]")
    _validate_versions(versions, shared, errors)
    owned = spec.get("names") or {}
    errors += [
        required(f"spec.names.{key}") for key in ("plural", "singular", "kind", "listKind") if not owned.get(key)
    ]
    _validate_names(owned, errors, "spec.names")
    _validate_parts({key: value for key, value in shared.items() if value is not None}, errors, "spec", _SHARED)
    _validate_conversion(spec.get("conversion"), errors, "spec.conversion")


def _common(versions: list[Object], key: str) -> Any:
    """What all versions say about something, None when they differ or say nothing."""
    if not versions:
        return None
    first = versions[0].get(key)
    return first if all((version.get(key) or None) == (first or None) for version in versions) else None


def _validate_versions(versions: list[Object], shared: Object, errors: Errors) -> None:
    found = [version.get("name") or "" for version in versions]
    shown = [_version_json(version, shared) for version in versions] or None
    if len(set(found)) < len(found):
        errors.append(invalid("spec.versions", shown, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        errors.append(invalid("spec.versions", shown, text))
    if found and names.dns1035_label(found[0]):
        errors.append(invalid("spec.version", found[0], ",".join(names.dns1035_label(found[0]))))


def _version_json(version: Object, shared: Object) -> dict[str, Any]:
    """A version as upstream's internal type shows it; what all versions share is shown nowhere."""
    out: dict[str, Any] = {"Name": version.get("name") or ""}
    out |= {key.capitalize(): bool(version.get(key)) for key in ("served", "storage", "deprecated")}
    out["DeprecationWarning"] = version.get("deprecationWarning")
    for key in ("schema", "subresources", "additionalPrinterColumns", "selectableFields"):
        out[key[0].upper() + key[1:]] = None if shared[key] is not None else version.get(key)
    return out


def _validate_version(version: Object, shared: Object, errors: Errors, path: str) -> None:
    problems = names.dns1035_label(version.get("name") or "")
    if problems:
        errors.append(invalid(f"{path}.name", version.get("name") or "", ",".join(problems)))
    _validate_warning(bool(version.get("deprecated")), version.get("deprecationWarning"), errors, path)
    own = {key: version.get(key) for key in _SHARED if shared[key] is None and version.get(key) is not None}
    _validate_parts(own, errors, path, {key: key for key in _SHARED})


def _validate_warning(is_deprecated: bool, warning: str | None, errors: Errors, path: str) -> None:
    if warning is None:
        return
    problems = []
    if not is_deprecated:
        problems.append("can only be set for deprecated versions")
    else:
        if len(warning.encode()) > _LONGEST_WARNING_BYTES:
            problems.append(f"must be <= {_LONGEST_WARNING_BYTES} characters long")
        if not warning:
            problems.append("must not be an empty string")
        at = next((index for index, char in enumerate(warning) if not char.isprintable()), None)
        if at is not None:
            text = "must only contain printable UTF-8 characters; non-printable character found at index"
            problems.append(f"{text} {len(warning[:at].encode())}")
    each(errors, f"{path}.deprecationWarning", Named(warning), problems)


def _validate_parts(parts: Object, errors: Errors, path: str, paths: Mapping[str, str]) -> None:
    """The schema, subresources, columns and selectable fields of one version, or of all."""
    schema = (parts.get("schema") or {}).get("openAPIV3Schema")
    if schema is not None:
        where = f"{path}.{paths['schema']}.openAPIV3Schema"
        if (parts.get("subresources") or {}).get("status") is not None and schema.get("type") not in ("object", None):
            text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            errors.append(invalid(f"{where}.type", schema.get("type") or "", text))
        errors += structural.problems(schema, where)
    scale = (parts.get("subresources") or {}).get("scale")
    if scale is not None:
        _validate_scale(scale, errors, f"{path}.{paths['subresources']}.scale")
    for index, column in enumerate(parts.get("additionalPrinterColumns") or ()):
        _validate_column(column, errors, f"{path}.additionalPrinterColumns[{index}]")
    if parts.get("selectableFields"):
        _validate_selectable(parts["selectableFields"], schema or {}, errors, f"{path}.selectableFields")


def _validate_scale(scale: Object, errors: Errors, path: str) -> None:
    for key, prefix in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        value = scale.get(key) or ""
        if not value:
            errors.append(required(f"{path}.{key}"))
        elif not value.startswith("."):
            errors.append(invalid(f"{path}.{key}", value, "must be a simple json path starting with ."))
        elif not value.startswith(f"{prefix}."):
            errors.append(invalid(f"{path}.{key}", value, f"should be a json path under {prefix}"))
    labels = scale.get("labelSelectorPath") or ""
    if labels and not labels.startswith("."):
        errors.append(invalid(f"{path}.labelSelectorPath", labels, "must be a simple json path starting with ."))
    elif labels and not labels.startswith((".spec.", ".status.")):
        text = "should be a json path under either .spec or .status"
        errors.append(invalid(f"{path}.labelSelectorPath", Named(labels), text))


def _validate_column(column: Object, errors: Errors, path: str) -> None:
    if not column.get("name"):
        errors.append(required(f"{path}.name"))
    kind, form, where = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    text = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not kind:
        errors.append(required(f"{path}.type", text))
    elif kind not in _COLUMN_TYPES:
        errors.append(invalid(f"{path}.type", kind, text))
    if form and form not in _COLUMN_FORMATS:
        errors.append(invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}"))
    if not where:
        errors.append(required(f"{path}.JSONPath"))
    elif not where.startswith("."):
        errors.append(invalid(f"{path}.JSONPath", where, "must be a simple json path starting with ."))


def _validate_selectable(rows: Any, schema: Object, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        where, value = f"{path}[{index}].jsonPath", row.get("jsonPath") or ""
        if not value:
            errors.append(required(where))
            continue
        found = _schema_at(schema, value)
        if found is None:
            errors.append(invalid(where, value, "is an invalid path: does not refer to a valid field"))
            continue
        if value.startswith(".metadata"):
            errors.append(invalid(where, value, "must not point to fields in metadata"))
        if found.get("type") not in _SELECTABLE_TYPES:
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats "
                "are allowed."
            )
            errors.append(invalid(where, value, text))
        if value in seen:
            errors.append(duplicate(where, value))
        seen.add(value)
    if len(seen) > _MOST_SELECTABLE:
        errors.append(too_many(path, len(seen), _MOST_SELECTABLE))


def _schema_at(schema: Object, path: str) -> Object | None:
    found: Any = schema
    for word in path.removeprefix(".").split("."):
        found = (found.get("properties") or {}).get(word) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _validate_names(owned: Object, errors: Errors, path: str) -> None:
    for key in ("plural", "singular"):
        value = owned.get(key) or ""
        problems = names.dns1035_label(value) if value else ()
        if problems:
            errors.append(invalid(f"{path}.{key}", value, ",".join(problems)))
    for key in ("kind", "listKind"):
        value = owned.get(key) or ""
        problems = names.dns1035_label(value.lower()) if value else ()
        if problems:
            text = "may have mixed case, but should otherwise match: " + ",".join(problems)
            errors.append(invalid(f"{path}.{key}", value, text))
    _validate_words(owned.get("shortNames") or (), errors, f"{path}.shortNames")
    if owned.get("kind") and owned["kind"] == owned.get("listKind"):
        errors.append(invalid(f"{path}.listKind", owned["listKind"], "kind and listKind may not be the same"))
    _validate_words(owned.get("categories") or (), errors, f"{path}.categories")


def _validate_words(words: Any, errors: Errors, path: str) -> None:
    for index, word in enumerate(words):
        problems = names.dns1035_label(word)
        if problems:
            errors.append(invalid(f"{path}[{index}]", word, ",".join(problems)))


def _validate_conversion(conversion: Object | None, errors: Errors, path: str) -> None:
    if conversion is None:
        return
    strategy = conversion.get("strategy") or ""
    if not strategy:
        errors.append(required(f"{path}.strategy"))
    elif strategy == "Webhook":
        errors.append(forbidden(f"{path}.strategy", "conversion by webhook is not supported by this server"))
    elif strategy != "None":
        errors.append(not_supported(f"{path}.strategy", strategy, ("None", "Webhook")))
    if conversion.get("webhook") is not None and strategy != "Webhook":
        text = "should not be set when strategy is not set to Webhook"
        errors.append(forbidden(f"{path}.webhookClientConfig", text))


def _validate_status(obj: Object, errors: Errors) -> None:
    status = obj.get("status") or {}
    _validate_names(status.get("acceptedNames") or {}, errors, "status.acceptedNames")
    stored, path = status.get("storedVersions") or [], "status.storedVersions"
    if not stored:
        errors.append(invalid(path, stored or None, "must have at least one stored version"))
        return
    versions = (obj.get("spec") or {}).get("versions") or ()
    for version in versions:
        if version.get("storage") and version.get("name") not in stored:
            errors.append(invalid(path, list(stored), f"must have the storage version {version.get('name') or ''}"))
    known = {version.get("name") for version in versions}
    for index, name in enumerate(stored):
        if name not in known:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and "
                f"removes {name} from status.storedVersions"
            )
            errors.append(invalid(f"{path}[{index}]", name, text))


def _approval(obj: Object) -> tuple[str, str]:
    """How far the use of a protected group is approved, and the text when it is not."""
    value = ((obj.get("metadata") or {}).get("annotations") or {}).get(_APPROVAL) or ""
    link = "see https://github.com/kubernetes/enhancements/pull/1111"
    base = f'protected groups must have approval annotation "{_APPROVAL}"'
    if not value:
        return "missing", f"{base}, {link}"
    if value.startswith("unapproved"):
        return "bypassed", ""
    url = urlsplit(value)
    if url.scheme and url.netloc:
        return "approved", ""
    return "invalid", f'{base} with either a URL or a reason starting with "unapproved", {link}'


def _validate_approval(obj: Object, old: Object | None, errors: Errors) -> None:
    group = (obj.get("spec") or {}).get("group") or ""
    if not any(group == name or group.endswith(f".{name}") for name in _PROTECTED):
        return
    state, text = _approval(obj)
    if not text or (old is not None and _approval(old)[0] == state):
        return
    path = f"metadata.annotations[{_APPROVAL}]"
    if state == "missing":
        errors.append(required(path, text))
    else:
        errors.append(invalid(path, obj["metadata"]["annotations"][_APPROVAL], text))


def _validate_unpruned(spec: Object, old: Object | None, errors: Errors) -> None:
    if spec.get("preserveUnknownFields") and not (old or {}).get("preserveUnknownFields"):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        errors.append(invalid("spec.preserveUnknownFields", True, text))
