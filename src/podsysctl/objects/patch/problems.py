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
    return undecoded(_cannot_unmarshal(value, wanted))


def undecodable_strategic(value: Any) -> StatusError:
    """The same for a strategic merge patch."""
    return undecoded(_cannot_unmarshal(value, "map[string]interface {}"), is_strategic=True)


def undecoded(text: str, *, is_strategic: bool = False) -> StatusError:
    """400 for a patch that is no JSON; of a strategic merge patch upstream sends the decoder's words alone."""
    return StatusError(400, "BadRequest", text if is_strategic else f"error decoding patch: {text}")


def _cannot_unmarshal(value: Any, wanted: str) -> str:
    return f"json: cannot unmarshal {_GO_KINDS.get(type(value), 'null')} into Go value of type {wanted}"
