"""--sort-by: objects in the order of one field (kubectl pkg/cmd/get/sorter.go, v1.36)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Any, TypeVar

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.client.rest import Object
from podsysctl.objects import quantity
from podsysctl.objects.gotext import json_text

T = TypeVar("T")


def sort(rows: Sequence[T], path: str, object_of: Callable[[T], Object]) -> list[T]:
    """The rows in order of the field at `path`; those without it come first. Raises UsageError."""
    from podsysctl.objects import jsonpath

    template = jsonpath.relaxed(path)
    values = [template.first(object_of(row)) for row in rows]
    if rows and all(value is None for value in values):
        shown = "{." + path.strip("{}").removeprefix(".") + "}"
        raise UsageError(f'couldn\'t find any field with path "{shown}" in the list of objects')
    pairs: list[tuple[Any, T]] = list(zip(values, rows, strict=True))
    by_value: Any = cmp_to_key(compare)
    pairs.sort(key=lambda pair: by_value(pair[0]))
    return [row for _, row in pairs]


def compare(a: Any, b: Any) -> int:
    """-1, 0 or 1: nothing comes first, amounts such as 500m and 1 compare as amounts, other texts letter by letter.

    >>> compare("500m", "1"), compare("a10", "a9"), compare(None, "x"), compare(2, 10)
    (-1, -1, -1, -1)
    """
    if a is None or b is None:
        return (a is not None) - (b is not None)
    if isinstance(a, str) and isinstance(b, str):
        first, second = _amount(a), _amount(b)
        if first is not None and second is not None:
            return (first > second) - (first < second)
        return (a > b) - (a < b)
    if isinstance(a, int | float) and isinstance(b, int | float):
        return (a > b) - (a < b)
    raise UsageError(f"unsortable values: {json_text(a)} and {json_text(b)}")


def _amount(text: str) -> int | None:
    if not re.match(r"[-+.0-9]", text):
        return None
    try:
        return quantity.parse_quantity(text).nanos
    except PodsysctlError:
        return None
