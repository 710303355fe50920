"""Defaults of custom objects, also inside lists and maps, and nulls that mean nothing.

Source: apiextensions `apiserver/schema/defaulting/{algorithm,prunenulls}.go`.
"""

from __future__ import annotations

from typing import Any

from podsysctl.objects.patch import tree
from podsysctl.objects.schema import LIST, MAP, OBJECT, Schema


def drop_nulls(obj: Any, schema: Schema | None) -> Any:
    """The object without nulls where a null is not allowed and no default takes its place."""
    if isinstance(obj, dict):
        out = {}
        for key, item in obj.items():
            below = _below(schema, key)
            if item is None and below is not None and not below.nullable and _default(below) is None:
                continue
            out[key] = drop_nulls(item, below)
        return out
    if isinstance(obj, list):
        item_schema = schema.item if schema is not None and schema.kind == LIST else None
        return [drop_nulls(item, item_schema) for item in obj]
    return obj


def apply_defaults(obj: Any, schema: Schema | None) -> Any:
    """The object with every default of its type where nothing, or a null that is not allowed, stands."""
    if schema is None:
        return obj
    if isinstance(obj, dict):
        out = dict(obj)
        if schema.kind == OBJECT:
            for key, declared in schema.fields.items():
                if declared.default is not None and _replaces(out, key, declared.schema):
                    out[key] = tree.clone(declared.default)
        for key, item in out.items():
            below = _below(schema, key)
            if schema.kind == MAP and item is None and below is not None and not below.nullable:
                item = tree.clone(_default(below))
            out[key] = apply_defaults(item, below)
        return out
    if isinstance(obj, list):
        below = schema.item if schema.kind == LIST else None
        return [apply_defaults(_item_or_default(item, below), below) for item in obj]
    return obj


def _item_or_default(item: Any, below: Schema | None) -> Any:
    if item is None and below is not None and not below.nullable:
        return tree.clone(_default(below))
    return item


def _replaces(obj: dict[str, Any], key: str, below: Schema) -> bool:
    return key not in obj or (obj[key] is None and not below.nullable)


def _default(schema: Schema) -> Any:
    return (schema.raw or {}).get("default")


def _below(schema: Schema | None, key: str) -> Schema | None:
    """The custom type of a field; built-in metadata is defaulted elsewhere."""
    if schema is None:
        return None
    below = schema.child(key)
    return below if below is not None and not below.go_name else None
