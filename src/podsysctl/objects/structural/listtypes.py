"""Lists declared to be sets or maps hold no element twice.

Source: apiextensions `apiserver/schema/listtype/validation.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors, gotext
from podsysctl.objects.schema import LIST, MAP, OBJECT, Schema


def problems(obj: Any, schema: Schema | None) -> list[FieldError]:
    """Duplicates in sets and maps anywhere in the object, metadata excepted."""
    return list(_problems(obj, schema, ""))


def _problems(value: Any, schema: Schema | None, path: str) -> Iterator[FieldError]:
    if schema is None or schema.go_name:
        return
    if isinstance(value, list) and schema.kind == LIST:
        if schema.list_type == "set":
            for index in _repeated(value):
                yield fielderrors.duplicate(f"{path}[{index}]", value[index])
        elif schema.list_type == "map":
            yield from _map_problems(value, schema, path)
        for index, item in enumerate(value):
            yield from _problems(item, schema.item, f"{path}[{index}]")
    elif isinstance(value, dict) and schema.kind == MAP:
        for key, item in value.items():
            yield from _problems(item, schema.item, f"{path}[{key}]")
    elif isinstance(value, dict) and schema.kind == OBJECT:
        for key, item in value.items():
            yield from _problems(item, schema.child(key), f"{path}.{key}" if path else key)


def _map_problems(value: list[Any], schema: Schema, path: str) -> Iterator[FieldError]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            text = "must be an object for an array of list-type map"
            yield fielderrors.invalid(f"{path}[{index}]", item, text)
            return
    keys = [{key: item[key] for key in schema.list_keys if key in item} if item else {} for item in value]
    for index in _repeated(keys):
        yield fielderrors.duplicate(f"{path}[{index}]", keys[index])


def _repeated(items: list[Any]) -> Iterator[int]:
    """Positions where an item appears the second time."""
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        text = gotext.json_text(item)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            yield index
