"""Amounts of resources as whole numbers. Pure; the reading of quantities is `objects/quantity.py`'s."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from podsysctl.objects import quantity


@lru_cache(maxsize=1024)
def _parse(text: str) -> quantity.Quantity:
    return quantity.parse_quantity(text)


def milli(amount: Any) -> int:
    """Thousandths, rounded up: `500m` of cpu is 500. Raises ValueSyntaxError."""
    return _parse(str(amount).strip()).milli


def units(amount: Any) -> int:
    """Whole units, rounded up: `1Ki` of memory is 1024. Raises ValueSyntaxError."""
    return _parse(str(amount).strip()).ceil()


def of(resource: str, amount: Any) -> int:
    """The amount in the unit this agent counts that resource in: cpu in thousandths, all others in units."""
    return milli(amount) if resource == "cpu" else units(amount)
