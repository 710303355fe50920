"""RFC 7386 JSON merge patch: null removes, objects merge, everything else replaces."""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import StatusError
from podsysctl.objects.patch import problems


def merge_patch(doc: dict[str, Any], patch: Any) -> dict[str, Any]:
    """The document after the patch; `patch` is the decoded body.

    Raises StatusError 400 when the patch is not an object, in upstream's words.
    """
    if patch is None:
        raise StatusError(400, "BadRequest", "Invalid JSON Patch")
    if not isinstance(patch, dict):
        raise problems.undecodable(patch, "map[string]interface {}")
    return _merge(doc, patch)


def _merge(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    out = dict(doc)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
            continue
        current = out.get(key)
        if isinstance(current, dict) and isinstance(value, dict):
            out[key] = _merge(current, value)
        else:
            out[key] = _without_nulls(value)
    return out


def _without_nulls(value: Any) -> Any:
    """A new value: members that are null mean nothing to remove; null elements of lists stay."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
