"""Dropping the fields of a custom object that its type does not declare.

Source: apiextensions `apiserver/schema/pruning/algorithm.go`.
"""

from __future__ import annotations

from typing import Any

from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Schema

_META = frozenset({"apiVersion", "kind", "metadata"})


def prune(obj: Any, schema: Schema, *, root: bool = True) -> tuple[Any, list[str]]:
    """The object without undeclared fields, and their paths (`spec.foo`, `spec.list[0].bar`), sorted.

    A root's apiVersion, kind and metadata are left to whoever decodes metadata.
    """
    unknown: list[str] = []
    out = _prune(obj, schema, "", unknown, embedded=root or schema.embedded_resource)
    return out, sorted(unknown)


def _preserves(schema: Schema) -> bool:
    """Whether this very node keeps unknown fields; below a declared field pruning starts again."""
    raw = schema.raw or {}
    return raw.get("x-kubernetes-preserve-unknown-fields") is True


def _prune(value: Any, schema: Schema | None, path: str, unknown: list[str], *, embedded: bool = False) -> Any:
    if isinstance(value, dict):
        return _prune_map(value, schema, path, unknown, embedded=embedded)
    if isinstance(value, list):
        below = schema.item if schema is not None and schema.kind == LIST else None
        if schema is not None and below is None and _preserves(schema):
            return value
        return [
            _prune(item, below, f"{path}[{index}]", unknown, embedded=below is not None and below.embedded_resource)
            for index, item in enumerate(value)
        ]
    return value


def _prune_map(
    value: dict[str, Any], schema: Schema | None, path: str, unknown: list[str], *, embedded: bool
) -> dict[str, Any]:
    out = {}
    keep = schema is not None and (_preserves(schema) or (schema.kind == ANY and schema.raw is None))
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        if embedded and key in _META:
            out[key] = item
            continue
        below = None
        if schema is not None and schema.kind == OBJECT and key in schema.fields:
            below = schema.fields[key].schema
        elif schema is not None and schema.kind == MAP:
            below = schema.item
        if below is not None:
            out[key] = _prune(item, below, where, unknown, embedded=below.embedded_resource)
        elif keep:
            out[key] = item
        else:
            unknown.append(where)
    return out
