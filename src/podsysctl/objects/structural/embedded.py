"""Objects inside custom objects (`x-kubernetes-embedded-resource`) name their version and kind.

Source: apiextensions `apiserver/schema/objectmeta/validation.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors, names
from podsysctl.objects.schema import LIST, MAP, OBJECT, Schema


def problems(obj: Any, schema: Schema) -> list[FieldError]:
    """What is wrong with embedded objects; the root itself is not one."""
    return list(_below(obj, schema, ""))


def _below(value: Any, schema: Schema | None, path: str) -> Iterator[FieldError]:
    if schema is None or schema.go_name:
        return
    if isinstance(value, list) and schema.kind == LIST:
        for index, item in enumerate(value):
            yield from _check(item, schema.item, f"{path}[{index}]")
    elif isinstance(value, dict) and schema.kind == MAP:
        for key, item in value.items():
            yield from _check(item, schema.item, f"{path}[{key}]")
    elif isinstance(value, dict) and schema.kind == OBJECT:
        for key, item in value.items():
            yield from _check(item, schema.child(key), f"{path}.{key}" if path else key)


def _check(value: Any, schema: Schema | None, path: str) -> Iterator[FieldError]:
    if schema is not None and schema.embedded_resource and isinstance(value, dict):
        yield from _type_meta(value, path)
    yield from _below(value, schema, path)


def _type_meta(value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        if name not in value:
            yield fielderrors.required(f"{path}.{name}")
        elif not isinstance(value[name], str):
            yield fielderrors.invalid(f"{path}.{name}", value[name], "must be a string")
        elif not value[name]:
            yield fielderrors.invalid(f"{path}.{name}", value[name], "must not be empty")
    version, kind = value.get("apiVersion"), value.get("kind")
    if isinstance(version, str) and version.count("/") > 1:
        yield fielderrors.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    if isinstance(kind, str) and kind and (found := names.dns1035_label(kind.lower())):
        text = f"may have mixed case, but should otherwise match: {','.join(found)}"
        yield fielderrors.invalid(f"{path}.kind", kind, text)
