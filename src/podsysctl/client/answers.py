"""What an HTTP answer means: a Status becomes a StatusError, a Warning header becomes text.

Also the words for answers that are no Status (client-go NewGenericServerResponse, apimachinery
pkg/api/errors/errors.go, v1.36) and for transport errors.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import orjson

from podsysctl.base.errors import ConnectionFailedError, StatusDetails, StatusError

_GENERIC: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    406: ("NotAcceptable", "the server was unable to respond with a content type that the client supports"),
    413: ("RequestEntityTooLarge", "request entity too large"),
    415: ("UnsupportedMediaType", "the body of the request was in an unknown format"),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", ""),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}
_BODY_SHOWN_BYTES = 2048


def status_error(code: int, body: bytes, method: str, retry_after_s: int = 0) -> StatusError:
    """The error that a failed answer stands for."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict) and parsed.get("kind") == "Status":
        return StatusError.from_dict(code, parsed)
    reason, message = _GENERIC.get(code, ("", ""))
    text = body[:_BODY_SHOWN_BYTES].decode("utf-8", "replace").strip()
    if code == 403:
        reason, message = "Forbidden", text or "the server rejected our request"
    elif code == 409:
        reason = "AlreadyExists" if method == "POST" else "Conflict"
        message = f"the server reported a conflict: {text}" if text else "the server reported a conflict"
    elif code == 401 and text and not text.startswith("{"):
        message = text
    elif not message:
        cause = text or "unknown"
        message = f'an error on the server ("{cause}") has prevented the request from succeeding'
    return StatusError(code, reason, message, StatusDetails(retry_after_s=retry_after_s))


_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


def parse_warnings(headers: list[str]) -> list[str]:
    """The texts of `Warning: 299 - "..."` headers (RFC 9111, code 299 only, as kubectl does).

    >>> parse_warnings(['299 - "unknown field \\\\"spec.foo\\\\""'])
    ['unknown field "spec.foo"']
    """
    return [re.sub(r"\\(.)", r"\1", text) for header in headers for text in _WARNING.findall(header)]


def connection_error(error: BaseException, server: str, what: str) -> ConnectionFailedError:
    """Say in kubectl's words why a server could not be talked to; `what` is the method and path."""
    host = urlsplit(server).netloc or server
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionFailedError(
            f"unable to connect to the server: certificate of {host} cannot be verified: {error.verify_message}",
            hint="the kubeconfig's certificate-authority must be the one that signed the server's certificate",
        )
    # With several addresses to one name asyncio joins their errors into one text without a number.
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return ConnectionFailedError(
            f"the connection to the server {host} was refused - did you specify the right host or port?",
            hint="start the cluster with `podsysctl up`, or choose another with --kubeconfig or --context",
        )
    if isinstance(error, TimeoutError):
        return ConnectionFailedError(f"no answer from {host} in time ({what})")
    if isinstance(error, socket.gaierror):
        return ConnectionFailedError(f"unable to connect to the server: {host} is not a known host: {error.strerror}")
    if isinstance(error, ConnectionError):
        return ConnectionFailedError(f"connection to {host} broke ({what}): {error or type(error).__name__}")
    return ConnectionFailedError(f"unable to connect to the server {host}: {error or type(error).__name__}")


def decode(body: bytes, what: str) -> Any:
    """The JSON of a successful answer; None for an empty one. Raises ConnectionFailedError for other text."""
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ConnectionFailedError(f"the answer to {what} is not JSON: {error}") from error
