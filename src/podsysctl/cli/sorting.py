"""--sort-by: objects in the order of one field (kubectl pkg/cmd/get/sorter.go, v1.36)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.client.rest import Object

T = TypeVar("T")


def sort(rows: Sequence[T], path: str, object_of: Callable[[T], Object]) -> list[T]:
    """The rows in order of the field at `path`; those without it come first. Raises UsageError."""
    from podsysctl.objects import jsonpath

    template = jsonpath.relaxed(path)
    values = [template.first(object_of(row)) for row in rows]
    if rows and all(value is None for value in values):
        shown = "{." + path.strip("{}").removeprefix(".") + "}"
        raise UsageError(f'couldn\'t find any field with path "{shown}" in the list of objects')
    keyed = [(_key(value), row) for value, row in zip(values, rows, strict=True)]
    return [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


def _key(value: Any) -> tuple[Any, ...]:
    if value is None:
        return (0,)
    if isinstance(value, bool | int | float):
        return (1, float(value))
    text = str(value)
    number = _quantity(text)
    if number is not None:
        return (1, number)
    return (2, natural_key(text))


def _quantity(text: str) -> float | None:
    if not re.match(r"[-+]?[0-9.]", text):
        return None
    from podsysctl.objects import quantity

    try:
        return float(quantity.parse_quantity(text).nanos)
    except PodsysctlError:
        return None


def natural_key(text: str) -> tuple[Any, ...]:
    """Digits compare as numbers: `web2` before `web10`."""
    parts = re.split(r"(\d+)", text)
    return tuple((1, int(part), part) if part.isdigit() else (2, 0, part) for part in parts if part)
