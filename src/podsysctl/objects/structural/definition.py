"""Whether an openAPIV3Schema may define a custom type: structural, supported, with defaults that fit.

Source: apiextensions `apiserver/schema/{validation,complete}.go`, `pkg/apis/apiextensions/validation`,
`apiserver/schema/defaulting/validation.go`, 1.36. Deviation: rules in CEL are refused, see docs/compatibility.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors
from podsysctl.objects.patch import tree
from podsysctl.objects.structural import pruning, regular, validation
from podsysctl.objects.structural.build import build

_Raw = Mapping[str, Any]

NO_CEL = "validation rules in CEL are not supported by this server"

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_STRUCTURAL_WORDS = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}
_MISSING_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def problems(openapi: _Raw, path: str) -> list[FieldError]:
    """What is wrong with a schema; `path` is that of the schema (`spec.versions[0].schema.openAPIV3Schema`)."""
    if tree.depth(openapi) > limits.OBJECT_DEPTH:
        return [fielderrors.invalid(path, "", f"nested deeper than {limits.OBJECT_DEPTH}")]
    found = sorted([*_invariants(openapi, "root", path), *_completeness(openapi, openapi, path, path)], key=str)
    if openapi.get("nullable"):
        found.insert(0, fielderrors.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    if not found:
        found = list(_defaults(openapi, path, root=True))
    found += _standard(openapi, path, root=True)
    return list(dict.fromkeys(found))


def _invariants(raw: _Raw, level: str, path: str) -> Iterator[FieldError]:
    items, properties = raw.get("items"), raw.get("properties") or {}
    additional = raw.get("additionalProperties")
    if raw.get("type") == "array" and items is None:
        yield fielderrors.required(f"{path}.items", "must be specified")
    if isinstance(items, Mapping):
        yield from _invariants(items, "item", f"{path}.items")
    for key, below in properties.items():
        yield from _invariants(below, "field", f"{path}.properties[{key}]")
    if additional is not None:
        if level == "root":
            yield fielderrors.forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(additional, Mapping):
            yield from _invariants(additional, "field", f"{path}.additionalProperties")
    yield from _extension_conflicts(raw, path)
    yield from _value_validation(raw, path)
    yield from _own_type(raw, level, path)
    if level == "root" or raw.get("x-kubernetes-embedded-resource"):
        yield from _meta_types(properties, path, level)


def _extension_conflicts(raw: _Raw, path: str) -> Iterator[FieldError]:
    if raw.get("x-kubernetes-int-or-string"):
        for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if raw.get(name):
                text = "must be false if x-kubernetes-int-or-string is true"
                yield fielderrors.invalid(f"{path}.{name}", True, text)


def _own_type(raw: _Raw, level: str, path: str) -> Iterator[FieldError]:
    kind = raw.get("type") or ""
    embedded = bool(raw.get("x-kubernetes-embedded-resource"))
    preserving = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
    if embedded and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        where = f"{path}.type"
        yield fielderrors.invalid(where, kind, text) if kind else fielderrors.required(where, text)
    elif not kind and not raw.get("x-kubernetes-int-or-string") and not preserving:
        yield fielderrors.required(f"{path}.type", _MISSING_TYPE[level])
    if embedded and raw.get("additionalProperties") is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        yield fielderrors.forbidden(f"{path}.additionalProperties", text)
    if level == "root" and kind and kind != "object":
        yield fielderrors.invalid(f"{path}.type", kind, "must be object at the root")
    if embedded and not preserving and not raw.get("properties"):
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        yield fielderrors.required(f"{path}.properties", text)


def _meta_types(properties: _Raw, path: str, level: str) -> Iterator[FieldError]:
    for name in ("kind", "apiVersion"):
        if name in properties and properties[name].get("type") != "string":
            where = f"{path}.properties[{name}].type"
            yield fielderrors.invalid(where, properties[name].get("type") or "", "must be string")
    metadata = properties.get("metadata")
    if metadata is None:
        return
    where = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        yield fielderrors.invalid(f"{where}.type", metadata.get("type") or "", "must be object")
    if level == "root":
        extra = set(metadata) - {"type", "properties", "description"}
        if extra or set(metadata.get("properties") or ()) - {"name", "generateName"}:
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield fielderrors.forbidden(where, text)


def _value_validation(raw: _Raw, path: str) -> Iterator[FieldError]:
    """Combinations may only validate; `anyOf: [integer, string]` is the one exception."""
    any_of, all_of = raw.get("anyOf") or [], raw.get("allOf") or []
    if any_of != _INT_OR_STRING:
        for index, branch in enumerate(any_of):
            yield from _nested(branch, f"{path}.anyOf[{index}]")
    for index, branch in enumerate(all_of):
        first = index == 0 and (branch.get("anyOf") or []) == _INT_OR_STRING
        plain = {key: value for key, value in branch.items() if key != "anyOf"} if first else branch
        yield from _nested(plain, f"{path}.allOf[{index}]")
    for index, branch in enumerate(raw.get("oneOf") or []):
        yield from _nested(branch, f"{path}.oneOf[{index}]")
    if raw.get("not") is not None:
        yield from _nested(raw["not"], f"{path}.not")
    if pattern := raw.get("pattern"):
        try:
            regular.check(pattern)
        except regular.PatternError as error:
            text = f"must be a valid regular expression, but isn't: {error.message}"
            yield fielderrors.invalid(f"{path}.pattern", pattern, text)


def _nested(raw: _Raw, path: str) -> Iterator[FieldError]:
    yield from _value_validation(raw, path)
    if isinstance(raw.get("items"), Mapping):
        yield from _nested(raw["items"], f"{path}.items")
    properties = raw.get("properties") or {}
    for key, below in properties.items():
        yield from _nested(below, f"{path}.properties[{key}]")
    for name, text in _STRUCTURAL_WORDS.items():
        if raw.get(name) not in (None, "", False, []) or (name == "additionalProperties" and name in raw):
            yield fielderrors.forbidden(f"{path}.{name}", text)
    if "metadata" in properties:
        text = "must not be specified in a nested context"
        yield fielderrors.forbidden(f"{path}.properties[metadata]", text)


def _branches(raw: _Raw, path: str) -> Iterator[tuple[_Raw, str]]:
    if raw.get("not") is not None:
        yield raw["not"], f"{path}.not"
    for name in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(raw.get(name) or []):
            yield branch, f"{path}.{name}[{index}]"


def _completeness(raw: _Raw, structure: _Raw, where: str, path: str) -> Iterator[FieldError]:
    """What a combination validates must be declared outside of it."""
    for branch, branch_path in _branches(raw, path):
        yield from _complete_branch(branch, structure, where, branch_path)


def _complete_branch(raw: _Raw, structure: _Raw | None, where: str, path: str) -> Iterator[FieldError]:
    if structure is None:
        yield fielderrors.required(where, f"because it is defined in {path}")
        return
    yield from _completeness(raw, structure, where, path)
    if isinstance(raw.get("items"), Mapping):
        below = structure.get("items")
        yield from _complete_branch(raw["items"], below, f"{where}.items", f"{path}.items")
    for key, branch in (raw.get("properties") or {}).items():
        below = (structure.get("properties") or {}).get(key)
        place, origin = f"{where}.properties[{key}]", f"{path}.properties[{key}]"
        yield from _complete_branch(branch, below, place, origin)


def _defaults(raw: _Raw, path: str, *, root: bool = False) -> Iterator[FieldError]:
    """Defaults must themselves fit the type and hold nothing that would be pruned."""
    default = raw.get("default")
    if default is not None and not root:
        schema = build(raw) if raw.get("type") == "object" else None
        if schema is not None and pruning.prune(default, schema, root=False)[1]:
            yield fielderrors.invalid(f"{path}.default", default, "must not have unknown fields")
        else:
            yield from validation.check_value(default, raw, f"{path}.default")
    for key, below in (raw.get("properties") or {}).items():
        yield from _defaults(below, f"{path}.properties[{key}]")
    if isinstance(raw.get("items"), Mapping):
        yield from _defaults(raw["items"], f"{path}.items")
    if isinstance(raw.get("additionalProperties"), Mapping):
        yield from _defaults(raw["additionalProperties"], f"{path}.additionalProperties")


def _standard(raw: _Raw, path: str, *, root: bool = False, no_default: str = "") -> Iterator[FieldError]:
    """What no schema may use, wherever it stands."""
    kind = raw.get("type") or ""
    if kind and kind not in _TYPES:
        yield fielderrors.not_supported(f"{path}.type", kind, _TYPES)
    if raw.get("default") is not None and (root or no_default):
        text = "must not be set" + (f" {no_default}" if no_default else "")
        yield fielderrors.forbidden(f"{path}.default", text)
    for name in _UNSUPPORTED:
        if raw.get(name) not in (None, "", {}):
            yield fielderrors.forbidden(f"{path}.{name}", f"{name} is not supported")
    if isinstance(raw.get("items"), list):
        yield fielderrors.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if raw.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield fielderrors.forbidden(f"{path}.uniqueItems", text)
    additional, properties = raw.get("additionalProperties"), raw.get("properties") or {}
    if properties and additional is not None and additional is not True:
        text = "additionalProperties and properties are mutual exclusive"
        yield fielderrors.forbidden(f"{path}.additionalProperties", text)
    if raw.get("x-kubernetes-validations"):
        yield fielderrors.forbidden(f"{path}.x-kubernetes-validations", NO_CEL)
    if raw.get("x-kubernetes-preserve-unknown-fields") is False:
        where = f"{path}.x-kubernetes-preserve-unknown-fields"
        yield fielderrors.invalid(where, False, "must be true or undefined")
    yield from _map_type(raw, path)
    yield from _list_type(raw, path)
    for key, below in properties.items():
        inside = f"in top-level {key}" if root and key in ("apiVersion", "kind", "metadata") else no_default
        yield from _standard(below, f"{path}.properties[{key}]", no_default=inside)
    for below, where in _branches(raw, path):
        yield from _standard(below, where, no_default=no_default)
    for name in ("items", "additionalProperties"):
        if isinstance(raw.get(name), Mapping):
            yield from _standard(raw[name], f"{path}.{name}", no_default=no_default)


def _map_type(raw: _Raw, path: str) -> Iterator[FieldError]:
    kind, chosen = raw.get("type") or "", raw.get("x-kubernetes-map-type")
    if chosen is None:
        return
    yield from _must_be("object", kind, "x-kubernetes-map-type", path)
    if chosen not in ("atomic", "granular"):
        yield fielderrors.not_supported(f"{path}.x-kubernetes-map-type", chosen, ("atomic", "granular"))


def _must_be(wanted: str, kind: str, name: str, path: str) -> Iterator[FieldError]:
    if kind != wanted:
        text = f"must be {wanted} if {name} is specified"
        where = f"{path}.type"
        yield fielderrors.invalid(where, kind, text) if kind else fielderrors.required(where, text)


def _list_type(raw: _Raw, path: str) -> Iterator[FieldError]:
    chosen, keys = raw.get("x-kubernetes-list-type"), raw.get("x-kubernetes-list-map-keys") or []
    where = f"{path}.x-kubernetes-list-type"
    if keys and chosen != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield fielderrors.invalid(where, chosen, text) if chosen else fielderrors.required(where, text)
    if chosen is None:
        return
    yield from _must_be("array", raw.get("type") or "", "x-kubernetes-list-type", path)
    if chosen not in ("atomic", "set", "map"):
        yield fielderrors.not_supported(where, chosen, ("atomic", "set", "map"))
    items = raw.get("items")
    if chosen in ("set", "map") and isinstance(items, Mapping) and items.get("nullable"):
        text = f"cannot be nullable when x-kubernetes-list-type is {chosen}"
        yield fielderrors.forbidden(f"{path}.items.nullable", text)
    if chosen == "map":
        yield from _map_keys(raw, keys, path)
    if chosen == "set" and isinstance(items, Mapping):
        text = "must be atomic as item of a list with x-kubernetes-list-type=set"
        if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
            yield fielderrors.invalid(f"{path}.items.x-kubernetes-map-type", None, text)


def _map_keys(raw: _Raw, keys: list[str], path: str) -> Iterator[FieldError]:
    items = raw.get("items")
    where = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        yield fielderrors.required(where, "must not be empty if x-kubernetes-list-type is map")
    if not isinstance(items, Mapping):
        yield fielderrors.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        return
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        yield fielderrors.invalid(f"{path}.items.type", items.get("type") or "", text)
        return
    properties, required = items.get("properties") or {}, items.get("required") or []
    for position, key in enumerate(keys):
        below = properties.get(key)
        if below is None:
            yield fielderrors.invalid(where, keys, "entries must all be names of item properties")
        elif below.get("type") in ("array", "object"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield fielderrors.invalid(f"{path}.items.properties[{key}].type", items.get("type"), text)
        elif key not in required and below.get("default") is None:
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield fielderrors.required(f"{path}.items.properties[{key}].default", text)
        if key in keys[:position]:
            yield fielderrors.invalid(where, keys, "must not contain duplicate entries")
