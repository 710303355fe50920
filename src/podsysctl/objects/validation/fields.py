"""The errors of validation as upstream words them: type, path, and a body that shows the bad value.

`value` arguments take a plain text, which is shown in Go's quotes, or anything else, which is shown as JSON; wrap a
text in `Named` when upstream's type of the field is not plain string, since that is shown as JSON too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects.internal import dump
from podsysctl.objects.quote import quote

Errors = list[FieldError]


class Named(str):
    """A text of a named Go type, or behind a pointer."""

    __slots__ = ()


def _show(value: Any) -> str:
    if type(value) is str:
        return quote(value)
    if isinstance(value, Named):
        return dump(str(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return dump(value)


def _detail(body: str, detail: str) -> str:
    return f"{body}: {detail}" if detail else body


def required(path: str, detail: str = "") -> FieldError:
    """A value must be there."""
    return FieldError("FieldValueRequired", path, _detail("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value is malformed or out of bounds."""
    return FieldError("FieldValueInvalid", path, _detail(f"Invalid value: {_show(value)}", detail))


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value is of the wrong type."""
    return FieldError("FieldValueTypeInvalid", path, _detail(f"Invalid value: {_show(value)}", detail))


def duplicate(path: str, value: Any) -> FieldError:
    """A value occurs twice."""
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {_show(value)}")


def forbidden(path: str, detail: str) -> FieldError:
    """A value may not be set here."""
    return FieldError("FieldValueForbidden", path, _detail("Forbidden", detail))


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """A value is none of the known ones, which are listed in the order given."""
    shown = ", ".join(map(quote, supported))
    return FieldError("FieldValueNotSupported", path, f"Unsupported value: {_show(value)}: supported values: {shown}")


def not_found(path: str, value: Any, detail: str = "") -> FieldError:
    """A value names something that is not there."""
    return FieldError("FieldValueNotFound", path, _detail(f"Not found: {_show(value)}", detail))


def too_long(path: str, limit_bytes: int) -> FieldError:
    """A text has too many bytes."""
    unit = "byte" if limit_bytes == 1 else "bytes"
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit_bytes} {unit}")


def too_many(path: str, count: int, limit: int) -> FieldError:
    """A list has too many items."""
    unit = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", path, f"Too many: {count}: must have at most {limit} {unit}")


def internal_error(path: str, detail: str) -> FieldError:
    """Something went wrong that is not the user's doing."""
    return FieldError("InternalError", path, _detail("Internal error", detail))


def each(errors: Errors, path: str, value: Any, texts: Sequence[str]) -> None:
    """One Invalid error for every text."""
    for text in texts:
        errors.append(invalid(path, value, text))
