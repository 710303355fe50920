"""Constructors of field errors in upstream's words: type, path and the text after the path.

Each returns a `base.errors.FieldError`; `objects/status.py` joins them into a 422. Source: Kubernetes
apimachinery `pkg/util/validation/field/errors.go`, 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects import gotext
from podsysctl.objects.quote import quote


def _body(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A malformed value; it is shown quoted, bare or as JSON by its type."""
    return FieldError("FieldValueInvalid", path, _body(f"Invalid value: {gotext.value_text(value)}", detail))


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value of the wrong type; worded as `invalid`, with its own cause reason."""
    return FieldError("FieldValueTypeInvalid", path, _body(f"Invalid value: {gotext.value_text(value)}", detail))


def required(path: str, detail: str = "") -> FieldError:
    """A value that must be given."""
    return FieldError("FieldValueRequired", path, _body("Required value", detail))


def forbidden(path: str, detail: str) -> FieldError:
    """A value that is well formed and not allowed here."""
    return FieldError("FieldValueForbidden", path, _body("Forbidden", detail))


def duplicate(path: str, value: Any) -> FieldError:
    """A second one of what must be unique."""
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {gotext.value_text(value)}")


def not_found(path: str, value: Any) -> FieldError:
    """A reference to something that is not there."""
    return FieldError("FieldValueNotFound", path, f"Not found: {gotext.value_text(value)}")


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """A value outside an enumeration; the supported ones are listed in the given order, quoted."""
    listed = ", ".join(quote(item) for item in supported)
    detail = f"supported values: {listed}" if listed else ""
    return FieldError("FieldValueNotSupported", path, _body(f"Unsupported value: {gotext.value_text(value)}", detail))


def too_long(path: str, limit: int, unit: str = "byte") -> FieldError:
    """A text of more than `limit` bytes (or characters); the text itself is not shown."""
    detail = f"may not be more than {limit} {unit}{'s' * (limit != 1)}" if limit >= 0 else "value is too long"
    return FieldError("FieldValueTooLong", path, f"Too long: {detail}")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    """A list of more than `limit` items; a negative `actual` is not shown."""
    shown = f"Too many: {actual}" if actual >= 0 else "Too many"
    detail = f"must have at most {limit} item{'s' * (limit != 1)}" if limit >= 0 else "has too many items"
    return FieldError("FieldValueTooMany", path, f"{shown}: {detail}")


def internal(path: str, detail: str) -> FieldError:
    """A failure of the server while it checked a value."""
    return FieldError("InternalError", path, f"Internal error: {detail}")
