"""Empty values as upstream stores them: fields that are always written have their zero value."""

from __future__ import annotations

from typing import Any

from podsysctl.objects import schema
from podsysctl.objects.canonical import canonical


def zero(type_name: str) -> dict[str, Any]:
    """A fresh empty value of a built-in type."""
    return canonical({}, schema.builtin(type_name))
