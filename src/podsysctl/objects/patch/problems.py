"""Errors that the three older patch types share, with upstream's codes and texts.

Source: Kubernetes apiserver `pkg/endpoints/handlers/patch.go` and apimachinery `NewGenericServerResponse`, 1.36.
"""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import StatusDetails, StatusError

_GO_KINDS = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}


def rejected(detail: str) -> StatusError:
    """422 for a patch that does not fit the object. Upstream does not tell clients why; the hint does."""
    error = StatusError(
        422, "Invalid", "the server rejected our request due to an error in our request", StatusDetails()
    )
    error.hint = detail
    return error


def undecodable(value: Any, wanted: str) -> StatusError:
    """400 for a patch whose JSON is of the wrong kind; `wanted` is the Go type that upstream decodes into."""
    kind = _GO_KINDS.get(type(value), "null")
    text = f"error decoding patch: json: cannot unmarshal {kind} into Go value of type {wanted}"
    return StatusError(400, "BadRequest", text)
