"""Small words for defaulting: fill a gap, read what may be absent."""

from __future__ import annotations

from typing import Any


def fill(obj: dict[str, Any], key: str, value: Any) -> None:
    """Set a field that is absent, null or a plain zero text or number left out by JSON."""
    if obj.get(key) is None or obj[key] == "":
        obj[key] = value


def fill_null(obj: dict[str, Any], key: str, value: Any) -> None:
    """Set a field that is absent or null; an empty text is a value where upstream's field is a pointer."""
    if obj.get(key) is None:
        obj[key] = value


def fill_zero(obj: dict[str, Any], key: str, value: Any) -> None:
    """Set a plain number field whose zero means unset."""
    if not obj.get(key):
        obj[key] = value


def child(obj: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under a key, made when absent."""
    value = obj.get(key)
    if value is None:
        value = obj[key] = {}
    result: dict[str, Any] = value
    return result


def items(obj: dict[str, Any] | None, key: str) -> list[Any]:
    """The list under a key, empty when absent; not stored."""
    return (obj or {}).get(key) or []
