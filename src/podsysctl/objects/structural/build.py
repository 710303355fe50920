"""The `Schema` of a custom type, made once from the openAPIV3Schema of a version.

Source: kube-openapi `schemaconv` for list and map types, apiextensions `apiserver/schema/convert.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import schema as schemas
from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Field, Schema

_SCALARS = {"boolean": "bool", "string": "string", "number": "double"}


def build(openapi: Mapping[str, Any] | None) -> Schema:
    """The root type of a custom kind: its own fields and those every object has.

    None, or `x-kubernetes-preserve-unknown-fields` at the root, keeps whatever an object holds.
    """
    raw = dict(openapi or {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    root = _node(raw, preserving=False, root=True)
    root.embedded_resource = True
    return root


def _node(raw: Mapping[str, Any], *, preserving: bool, root: bool = False) -> Schema:
    preserve = raw.get("x-kubernetes-preserve-unknown-fields") is True
    embedded = raw.get("x-kubernetes-embedded-resource") is True
    inherited = preserving or preserve
    common: dict[str, Any] = {
        "nullable": bool(raw.get("nullable")),
        "raw": raw,
        "preserve_unknown": preserve,
        "embedded_resource": embedded,
    }
    if raw.get("x-kubernetes-int-or-string") is True:
        return Schema("IntOrString", **common)
    kind = raw.get("type", "")
    if kind == "object" or root or raw.get("properties") or embedded:
        return _object(raw, inherited, common, with_metadata=root or embedded)
    if kind == "array":
        items = raw.get("items")
        item = _node(items, preserving=inherited) if isinstance(items, Mapping) else Schema(ANY)
        return Schema(
            LIST,
            item=item,
            list_type=raw.get("x-kubernetes-list-type") or "atomic",
            list_keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()),
            **common,
        )
    if kind == "integer":
        return Schema("int32" if raw.get("format") == "int32" else "int64", **common)
    if kind in _SCALARS:
        return Schema(_SCALARS[kind], **common)
    return Schema(ANY, **common)


def _object(raw: Mapping[str, Any], inherited: bool, common: dict[str, Any], *, with_metadata: bool) -> Schema:
    map_atomic = raw.get("x-kubernetes-map-type") == "atomic"
    properties = raw.get("properties") or {}
    additional = raw.get("additionalProperties")
    if not properties and not with_metadata:
        if isinstance(additional, Mapping):
            return Schema(MAP, item=_node(additional, preserving=inherited), map_atomic=map_atomic, **common)
        if additional is True:
            return Schema(MAP, item=Schema(ANY), map_atomic=map_atomic, **common)
    required = frozenset(raw.get("required") or ())
    fields = {
        name: Field(
            name,
            0,
            _node(below, preserving=inherited),
            required=name in required,
            default=below.get("default"),
        )
        for name, below in properties.items()
    }
    if with_metadata:
        for name in ("apiVersion", "kind"):
            fields.setdefault(name, Field(name, 0, Schema("string")))
        fields["metadata"] = Field("metadata", 0, schemas.builtin("meta/v1.ObjectMeta"))
    common = {**common, "preserve_unknown": inherited}
    return Schema(OBJECT, fields=fields, map_atomic=map_atomic, **common)
