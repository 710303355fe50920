"""Rules of a list of metav1 conditions (Kubernetes 1.36 apimachinery meta/v1/validation)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, Named, duplicate, invalid, not_supported, required, too_long
from podsysctl.objects.validation.meta import validate_label_name

_STATUSES = ("False", "True", "Unknown")
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON_TEXT = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'"
)
_REASONS = ("my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB")
_REASON_BYTES = 1024
_MESSAGE_BYTES = 32 * 1024


def validate_conditions(conditions: Sequence[Mapping[str, Any]], errors: Errors, path: str) -> None:
    """Every type once, and each condition complete."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        kind = condition.get("type") or ""
        if kind in seen:
            errors.append(duplicate(f"{path}[{index}].type", kind))
        seen.add(kind)
        _validate(condition, errors, f"{path}[{index}]")


def _validate(condition: Mapping[str, Any], errors: Errors, path: str) -> None:
    validate_label_name(condition.get("type") or "", errors, f"{path}.type")
    if condition.get("status") not in _STATUSES:
        errors.append(not_supported(f"{path}.status", Named(condition.get("status") or ""), _STATUSES))
    generation = condition.get("observedGeneration") or 0
    if generation < 0:
        text = "must be greater than or equal to zero"
        errors.append(invalid(f"{path}.observedGeneration", generation, text))
    if not condition.get("lastTransitionTime"):
        errors.append(required(f"{path}.lastTransitionTime"))
    reason = condition.get("reason") or ""
    if not reason:
        errors.append(required(f"{path}.reason"))
    else:
        if not re.fullmatch(_REASON, reason):
            errors.append(invalid(f"{path}.reason", reason, names.regex_error(_REASON_TEXT, _REASON, *_REASONS)))
        if len(reason.encode()) > _REASON_BYTES:
            errors.append(too_long(f"{path}.reason", _REASON_BYTES))
    if len((condition.get("message") or "").encode()) > _MESSAGE_BYTES:
        errors.append(too_long(f"{path}.message", _MESSAGE_BYTES))
