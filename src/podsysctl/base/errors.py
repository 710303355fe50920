"""The one tree of errors: what went wrong, in words a user can act on.

Libraries raise these; only `cli` turns them into exit codes and only `apiserver` into HTTP answers.
Errors of foreign code (sqlite3, grpc, aiohttp, OSError) are translated at the boundary, with `from`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


class PodsysctlError(Exception):
    """Base of every error of this program.

    `reason` is stable and CamelCase, `message` names subject, value and rule, and `hint` is the next
    step, when there is one. `exit_code` is what the command line exits with: 1 failed, 2 usage,
    3 refused by policy.
    """

    reason: ClassVar[str] = "Error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def first_error(failure: BaseException) -> BaseException:
    """The first error inside a group of a group ...; the error itself when it is none.

    To be raised from a plain `except`: what is raised inside `except*` becomes a group again.
    """
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


class UsageError(PodsysctlError):
    """A command line or a configuration that cannot be understood."""

    reason = "Usage"
    exit_code = 2


class RefusedError(PodsysctlError):
    """A gate says no."""

    reason = "Refused"
    exit_code = 3


class NameSyntaxError(PodsysctlError):
    """A text that is not the name of a kernel parameter."""

    reason = "InvalidName"
    exit_code = 2


class ValueSyntaxError(PodsysctlError):
    """A text that is not a value the parameter can hold."""

    reason = "InvalidValue"
    exit_code = 2


class CatalogueError(PodsysctlError):
    """A row of the catalogue contradicts itself or another row."""

    reason = "InvalidCatalogue"


class KernelError(PodsysctlError):
    """The kernel refused a read or a write; `errno` is its reason as a number."""

    reason = "KernelRefused"

    def __init__(self, message: str, *, errno: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.errno = errno


class RuntimeServiceError(PodsysctlError):
    """The container runtime refused a call; `code` is the gRPC status name, `detail` its own words."""

    reason = "RuntimeRefused"

    def __init__(self, code: str, detail: str, *, hint: str = "") -> None:
        super().__init__(f"rpc error: code = {code} desc = {detail}", hint=hint)
        self.code = code
        self.detail = detail


class NoClusterError(PodsysctlError):
    """A command needs a running cluster, and none runs or is configured: no mistake in the command line."""

    reason = "NoCluster"


class ConnectionFailedError(PodsysctlError):
    """A server could not be reached or did not answer in time."""

    reason = "ConnectionFailed"


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `Status.details.causes`: a reason such as FieldValueInvalid, its text, its field."""

    reason: str
    message: str
    field: str = ""

    def to_dict(self) -> dict[str, str]:
        """The wire form, empty fields left out (apimachinery StatusCause: all three are omitempty)."""
        fields = (("reason", self.reason), ("message", self.message), ("field", self.field))
        return {key: value for key, value in fields if value}


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """`Status.details`: which object an API error is about, and why."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_s: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The wire form, empty fields left out."""
        out: dict[str, Any] = {}
        for key in ("name", "group", "kind", "uid"):
            if getattr(self, key):
                out[key] = getattr(self, key)
        if self.causes:
            out["causes"] = [cause.to_dict() for cause in self.causes]
        if self.retry_after_s:
            out["retryAfterSeconds"] = self.retry_after_s
        return out


class StatusError(PodsysctlError):
    """An answer of a Kubernetes API other than success: raised by the server, and rebuilt by the client.

    `code` is the HTTP status, `status_reason` the Status reason (may be empty, as for server-side apply's
    typed-patch errors), `details` optional. The constructors in `objects/status.py` hold upstream's texts.
    """

    reason = "APIStatus"

    def __init__(
        self,
        code: int,
        status_reason: str,
        message: str,
        details: StatusDetails | None = None,
        *,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status_reason = status_reason
        self.details = details
        self.metadata = metadata or {}

    def to_dict(self) -> dict[str, Any]:
        """The `v1.Status` object on the wire."""
        out: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.status_reason:
            out["reason"] = self.status_reason
        if self.details is not None:
            out["details"] = self.details.to_dict()
        out["code"] = self.code
        return out

    @classmethod
    def from_dict(cls, code: int, status: dict[str, Any]) -> StatusError:
        """Rebuild the error from a Status body; unknown fields are ignored."""
        raw = status.get("details") or {}
        details = StatusDetails(
            name=raw.get("name", ""),
            group=raw.get("group", ""),
            kind=raw.get("kind", ""),
            uid=raw.get("uid", ""),
            causes=tuple(
                Cause(c.get("reason", ""), c.get("message", ""), c.get("field", "")) for c in raw.get("causes") or ()
            ),
            retry_after_s=int(raw.get("retryAfterSeconds") or 0),
        )
        return cls(
            int(status.get("code") or code),
            status.get("reason", ""),
            status.get("message", ""),
            details,
            metadata=status.get("metadata"),
        )


@dataclass(frozen=True, slots=True)
class FieldError:
    """One failed rule of object validation, in upstream's words (field.Error).

    `type` is the cause reason (FieldValueInvalid, FieldValueRequired, ...), `path` the dotted field path,
    `body` the text after the path and its colon. `str()` gives the full sentence.
    """

    type: str
    path: str
    body: str

    def __str__(self) -> str:
        return f"{self.path}: {self.body}"

    def cause(self) -> Cause:
        """The entry of `details.causes`."""
        return Cause(self.type, self.body, self.path)
