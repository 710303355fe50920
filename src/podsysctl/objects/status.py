"""What the API server's errors say: one constructor per error of upstream's `api/errors`, with its texts.

Messages, reasons, codes and details follow Kubernetes 1.36 `apimachinery/pkg/api/errors` unless a docstring
names another source. `kind` arguments take a `Kind`; texts name its qualified resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podsysctl.base.errors import Cause, FieldError, StatusDetails, StatusError
from podsysctl.objects.kinds import Kind
from podsysctl.objects.quote import quote

OPTIMISTIC_LOCK = "the object has been modified; please apply your changes to the latest version and try again"
"""Why an update with an old resourceVersion is refused; the text of `conflict` for that case."""

CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)
"""Text of 410 for an old continue token, from storage/errors.go."""


def _details(kind: Kind | None, name: str = "", *, uid: str = "", retry_after_s: int = 0) -> StatusDetails:
    if kind is None:
        return StatusDetails(name=name, uid=uid, retry_after_s=retry_after_s)
    return StatusDetails(name=name, group=kind.group, kind=kind.plural, uid=uid, retry_after_s=retry_after_s)


def not_found(kind: Kind, name: str) -> StatusError:
    """404: the object does not exist."""
    return StatusError(404, "NotFound", f"{kind.qualified} {quote(name)} not found", _details(kind, name))


def path_not_found() -> StatusError:
    """404 for a path that names no resource; upstream answers plain text, which clients print alike."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", StatusDetails())


def already_exists(kind: Kind, name: str) -> StatusError:
    """409 on create: the name is taken."""
    return StatusError(409, "AlreadyExists", f"{kind.qualified} {quote(name)} already exists", _details(kind, name))


def generate_name_conflict(kind: Kind, name: str) -> StatusError:
    """409 on create with generateName: the generated name is taken; the client may retry after a second."""
    text = (
        f"{kind.qualified} {quote(name)} already exists, "
        "the server was not able to generate a unique name for the object"
    )
    return StatusError(409, "AlreadyExists", text, _details(kind, name, retry_after_s=1))


def conflict(kind: Kind, name: str, text: str = OPTIMISTIC_LOCK) -> StatusError:
    """409: the write does not fit the stored object; `text` says why."""
    message = f"Operation cannot be fulfilled on {kind.qualified} {quote(name)}: {text}"
    return StatusError(409, "Conflict", message, _details(kind, name))


def apply_conflict(causes: Iterable[Cause], message: str) -> StatusError:
    """409 of server-side apply: other managers own the fields that `causes` name."""
    return StatusError(409, "Conflict", message, StatusDetails(causes=tuple(causes)))


def invalid(kind: Kind, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422: the object breaks rules of validation; every error becomes a cause, in order."""
    return invalid_kind(kind.group, kind.kind, name, errors)


def invalid_kind(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422 for a kind given by name, such as the options of a request (`meta.k8s.io`, `CreateOptions`)."""
    qualified = f"{kind}.{group}" if group else kind
    message = f"{qualified} {quote(name)} is invalid"
    if errors:
        message = f"{message}: {aggregate(errors)}"
    causes = tuple(error.cause() for error in errors)
    return StatusError(422, "Invalid", message, StatusDetails(name=name, group=group, kind=kind, causes=causes))


def aggregate(errors: Iterable[FieldError | str]) -> str:
    """Several errors as one text: a single one bare, more in brackets, equal texts once (util/errors Aggregate)."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def forbidden(kind: Kind, name: str, text: str) -> StatusError:
    """403 of admission or authorization about an object; `text` says why."""
    subject = f"{kind.qualified} {quote(name)}" if name else kind.qualified
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {text}", _details(kind, name))


def forbidden_request(
    *,
    user: str,
    verb: str,
    group: str,
    resource: str,
    subresource: str = "",
    namespace: str = "",
    name: str = "",
) -> StatusError:
    """403 of authorization for a resource request (endpoints/handlers/responsewriters/errors.go)."""
    full = f"{resource}/{subresource}" if subresource else resource
    subject = f"{resource}.{group}" if group else resource
    if name:
        subject = f"{subject} {quote(name)}"
    scope = f"in the namespace {quote(namespace)}" if namespace else "at the cluster scope"
    text = f"User {quote(user)} cannot {verb} resource {quote(full)} in API group {quote(group)} {scope}"
    details = StatusDetails(name=name, group=group, kind=resource)
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {text}", details)


def forbidden_path(*, user: str, verb: str, path: str) -> StatusError:
    """403 of authorization for a path that is no resource, such as `/metrics`."""
    text = f"User {quote(user)} cannot {verb} path {quote(path)}"
    return StatusError(403, "Forbidden", f"forbidden: {text}", StatusDetails())


def bad_request(message: str) -> StatusError:
    """400: the request cannot be understood."""
    return StatusError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    """401: no credentials, or credentials that are not accepted."""
    return StatusError(401, "Unauthorized", message)


def expired(message: str, *, continue_token: str = "", resource_version: str = "") -> StatusError:
    """410: the resourceVersion or continue token is older than what is kept; a fresh token may be offered."""
    metadata = {}
    if resource_version:
        metadata["resourceVersion"] = resource_version
    if continue_token:
        metadata["continue"] = continue_token
    return StatusError(410, "Expired", message, metadata=metadata)


def too_old_resource_version(requested: int, current: int) -> StatusError:
    """410 of a watch or list from a compacted revision."""
    return expired(f"too old resource version: {requested} ({current})")


def too_large_resource_version(requested: int, current: int, retry_after_s: int = 1) -> StatusError:
    """504: the client knows a revision that the server has not seen (storage/errors.go)."""
    text = f"Too large resource version: {requested}, current: {current}"
    cause = Cause("ResourceVersionTooLarge", "Too large resource version")
    details = StatusDetails(causes=(cause,), retry_after_s=retry_after_s)
    return StatusError(504, "Timeout", f"Timeout: {text}", details)


def too_many_requests(message: str, retry_after_s: int = 0, causes: Iterable[Cause] = ()) -> StatusError:
    """429: try again later; of eviction it means that a disruption budget stands in the way."""
    details = StatusDetails(causes=tuple(causes), retry_after_s=retry_after_s)
    return StatusError(429, "TooManyRequests", message, details)


def method_not_supported(kind: Kind, action: str) -> StatusError:
    """405: the resource does not know the verb."""
    text = f"{action} is not supported on resources of kind {quote(kind.qualified)}"
    return StatusError(405, "MethodNotAllowed", text, _details(kind))


def method_not_allowed() -> StatusError:
    """405 for a path that knows other methods only (apimachinery api/errors NewGenericServerResponse)."""
    text = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", text, StatusDetails())


def not_acceptable(accepted: Iterable[str]) -> StatusError:
    """406: no encoding that the client accepts (handlers/negotiation/errors.go)."""
    text = f"only the following media types are accepted: {', '.join(accepted)}"
    return StatusError(406, "NotAcceptable", text)


def unsupported_media_type(accepted: Iterable[str]) -> StatusError:
    """415: the body's content type is not known (handlers/negotiation/errors.go)."""
    text = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return StatusError(415, "UnsupportedMediaType", text)


def body_too_large(limit_bytes: int) -> StatusError:
    """413: the body is over the limit (handlers/rest.go limitedReadBody)."""
    text = f"Request entity too large: limit is {limit_bytes}"
    return StatusError(413, "RequestEntityTooLarge", text)


def internal(message: str) -> StatusError:
    """500: a fault of the server."""
    details = StatusDetails(causes=(Cause("", message),))
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", details)


def timeout(message: str, retry_after_s: int = 0) -> StatusError:
    """504: no answer in time."""
    return StatusError(504, "Timeout", f"Timeout: {message}", StatusDetails(retry_after_s=retry_after_s))


def server_timeout(kind: Kind, operation: str, retry_after_s: int = 0) -> StatusError:
    """500 that asks the client to try again."""
    text = f"The {operation} operation against {kind.qualified} could not be completed at this time, please try again."
    return StatusError(500, "ServerTimeout", text, _details(kind, operation, retry_after_s=retry_after_s))


def service_unavailable(message: str) -> StatusError:
    """503: the server cannot serve now."""
    return StatusError(503, "ServiceUnavailable", message)
