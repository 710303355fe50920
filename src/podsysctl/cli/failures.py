"""How errors look and which exit code they give.

Answers of the server have kubectl's form, so that people and scripts know them; everything else is
`error: ...`, a blank line and `hint: ...`. Source of the former: kubectl pkg/cmd/util/helpers.go, v1.36.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podsysctl.base.errors import Cause, PodsysctlError, RefusedError, StatusError
from podsysctl.objects.quote import quote

if TYPE_CHECKING:
    # Every command imports this module, and the client's modules cost as much as the rest of a command's start.
    from collections.abc import Sequence

    from podsysctl.client.discovery import Found


class SeveralError(PodsysctlError):
    """More than one thing failed; each is shown."""

    reason = "Several"

    def __init__(self, errors: Sequence[PodsysctlError]) -> None:
        super().__init__("\n".join(e.message for e in errors))
        self.errors = list(errors)


class ShownError(PodsysctlError):
    """The command failed and has said so already."""

    reason = "Shown"

    def __init__(self, code: int = 1) -> None:
        super().__init__("")
        self.code = code


def raise_all(errors: Sequence[PodsysctlError]) -> None:
    """Raise nothing, the one error, or all of them as one."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise SeveralError(errors)


def exit_code(error: PodsysctlError) -> int:
    """1 failed, 2 usage, 3 refused by policy (the server's 403 as well)."""
    if isinstance(error, ShownError):
        return error.code
    if isinstance(error, SeveralError):
        codes = {exit_code(e) for e in error.errors}
        return codes.pop() if len(codes) == 1 else 1
    if isinstance(error, StatusError) and error.code == 403:
        return RefusedError.exit_code
    return error.exit_code


def render(error: PodsysctlError) -> str:
    """The text for stderr, ending with a newline; empty for errors that were shown."""
    if isinstance(error, ShownError):
        return ""
    if isinstance(error, SeveralError):
        return "".join(render(e) for e in error.errors)
    if isinstance(error, StatusError):
        return status_text(error) + "\n"
    text = error.message if error.message.startswith("error: ") else f"error: {error.message}"
    return f"{text}\n\nhint: {error.hint}\n" if error.hint else f"{text}\n"


def status_text(error: StatusError) -> str:
    """An answer of the server in kubectl's form, without the last newline."""
    if error.code == 422 and error.status_reason == "Invalid":
        return _invalid(error)
    if error.status_reason == "Unauthorized":
        return f"error: You must be logged in to the server ({error.message})"
    if error.status_reason:
        return f"Error from server ({error.status_reason}): {error.message}"
    return f"Error from server: {error.message}"


def _invalid(error: StatusError) -> str:
    details = error.details
    head = "The request is invalid"
    if details is None:
        return f"{head}: {error.message}" if error.message else head
    if details.kind or details.name:
        head = f'The {details.kind} "{details.name}" is invalid'
    elif error.message and not details.causes:
        head = f"{head}: {error.message}"
    causes = list(dict.fromkeys(_cause_text(cause) for cause in details.causes))
    if not causes:
        return head
    if len(causes) == 1:
        return f"{head}: {causes[0]}"
    return "\n".join([f"{head}: ", *(f"* {cause}" for cause in causes)])


def _cause_text(cause: Cause) -> str:
    return f"{cause.field}: {cause.message}"


def with_source(verb: str, source: str, error: StatusError) -> StatusError:
    """The error with the file it came from in front, as kubectl has it."""
    if not source:
        return error
    message = f'error when {verb} "{source}": {error.message}'
    return StatusError(error.code, error.status_reason, message, error.details, metadata=error.metadata)


def with_selectors(error: StatusError, kind: Found, selector: str, fields: str) -> StatusError:
    """A refused list with what was asked for in front (cli-runtime resource.EnhanceListError, v1.36)."""
    if error.code not in (400, 404):
        return error
    subject = quote(f"{kind.group}/{kind.version}, Resource={kind.plural}")
    head = f"Unable to list {subject}"
    if selector or fields:
        head = f"Unable to find {subject} that match label selector {quote(selector)}, field selector {quote(fields)}"
    text = f"{head}: {error.message}"
    return StatusError(error.code, error.status_reason, text, error.details, metadata=error.metadata)


class PlainError(PodsysctlError):
    """An error with no kind of its own: the message says it all."""

    reason = "Failed"
