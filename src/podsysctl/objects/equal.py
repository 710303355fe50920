"""When two objects mean the same: upstream's semantic equality on wire values.

An absent list or map equals an empty one, quantities are compared by value; everything else must be alike.
"""

from __future__ import annotations

from typing import Any

from podsysctl.objects.quantity import parse_quantity
from podsysctl.objects.schema import LIST, MAP, OBJECT, Schema


def semantic_equal(a: Any, b: Any, schema: Schema | None) -> bool:
    """Whether two values of a built-in type are semantically equal."""
    if a is b:
        return True
    if schema is None or schema.kind not in (OBJECT, LIST, MAP, "Quantity"):
        return bool(a == b)
    if schema.kind == "Quantity":
        if a is None or b is None:
            return False
        return parse_quantity(a).nanos == parse_quantity(b).nanos
    if schema.kind == LIST:
        first, second = a or [], b or []
        return len(first) == len(second) and all(
            semantic_equal(x, y, schema.item) for x, y in zip(first, second, strict=True)
        )
    if schema.kind == MAP:
        left, right = a or {}, b or {}
        return left.keys() == right.keys() and all(
            semantic_equal(value, right[key], schema.item) for key, value in left.items()
        )
    if a is None or b is None:
        return False
    return all(semantic_equal(a.get(key), b.get(key), schema.child(key)) for key in {*a, *b})
