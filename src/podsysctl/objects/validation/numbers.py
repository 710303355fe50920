"""Rules of plain numbers and shares that many kinds have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, Named, invalid

_NOT_NEGATIVE = "must be greater than or equal to 0"


def validate_not_negative(obj: Mapping[str, Any], key: str, errors: Errors, path: str) -> None:
    """A number that may be absent but not negative; `path` is that of the object."""
    value = obj.get(key)
    if value is not None and value < 0:
        errors.append(invalid(f"{path}.{key}", value, _NOT_NEGATIVE))


def validate_count_or_share(value: int | str, errors: Errors, path: str) -> None:
    """A count, or a share in percent."""
    if isinstance(value, str):
        for text in names.percent(value):
            errors.append(invalid(path, Named(value), text))
    elif value < 0:
        errors.append(invalid(path, value, _NOT_NEGATIVE))


def share_of(value: int | str) -> int | None:
    """The number of a well-formed share, None for anything else."""
    return int(value[:-1]) if isinstance(value, str) and not names.percent(value) else None


def amount_of(value: int | str) -> int:
    """The number of a count or share; 0 for a text that is neither."""
    share = share_of(value)
    if share is not None:
        return share
    if isinstance(value, str):
        return int(value) if value.removeprefix("-").removeprefix("+").isascii() and _is_number(value) else 0
    return value


def _is_number(text: str) -> bool:
    return text.lstrip("+-").isdigit() and len(text) - len(text.lstrip("+-")) <= 1


def validate_at_most_everything(value: int | str, errors: Errors, path: str) -> None:
    """A share may not be over 100%."""
    share = share_of(value)
    if share is not None and share > 100:
        shown = Named(value) if isinstance(value, str) else value
        errors.append(invalid(path, shown, "must not be greater than 100%"))
