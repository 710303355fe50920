"""Tables of custom kinds: the printer columns of their definition, or name and age.

Source: Kubernetes 1.36 `apiextensions-apiserver/pkg/registry/customresource/tableconvertor`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from podsysctl.apiserver.tables.base import AGE, NAME, Column, Object, Printer, age, created, name
from podsysctl.objects import jsonpath
from podsysctl.objects.jsonpath.evaluation import value_text


def printer(columns: list[Mapping[str, Any]] | None) -> Printer:
    """The printer of a version's additionalPrinterColumns."""
    if not columns:
        return Printer((NAME, AGE), lambda obj, now: [name(obj), created(obj, now)])
    readers = [_reader(column) for column in columns]

    def cells(obj: Object, now: datetime) -> list[Any]:
        return [name(obj), *(read(obj, now) for read in readers)]

    return Printer((NAME, *map(_column, columns)), cells)


def _column(declared: Mapping[str, Any]) -> Column:
    kind, form = declared.get("type", "string"), declared.get("format", "")
    path = declared["jsonPath"]
    text = declared.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
    return Column(declared["name"], kind, form, text, declared.get("priority", 0))


def _reader(declared: Mapping[str, Any]) -> Callable[[Object, datetime], Any]:
    path, kind = declared["jsonPath"], declared.get("type", "string")
    try:
        template = jsonpath.parse("{" + path + "}")
    except jsonpath.JsonPathError:
        return lambda obj, now: None

    def read(obj: Object, now: datetime) -> Any:
        try:
            value = template.first(obj)
        except jsonpath.JsonPathError:
            return None
        return None if value is None else _cell(value, kind, now)

    return read


def _cell(value: Any, kind: str, now: datetime) -> Any:
    """The value in its column's type, None (an empty cell) when it is of another one."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "integer":
        return int(value) if is_number else None
    if kind == "number":
        # Go writes a whole float64 without a fraction: 3, not 3.0.
        return (int(value) if float(value).is_integer() else float(value)) if is_number else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        return age(value, now) if isinstance(value, str) else None
    return value_text(value)
