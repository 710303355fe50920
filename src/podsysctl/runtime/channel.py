"""One gRPC connection to a runtime's socket: how it is reached, and what its refusals are called.

Everything that speaks gRPC to a container runtime goes through `Channel`. It has no stubs: a method is its
path and the class of its answer, so that any service on the same socket can be called.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, TypeVar

# We start programs and never fork to go on in Python. Read at import: otherwise every start of a program prints
# a line about skipped fork handlers.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import grpc.aio
from google.protobuf.message import Message

from podsysctl.base import limits
from podsysctl.base.errors import RuntimeServiceError, UsageError

UNIX_SOCKET_PATH_BYTES = 107
"""sizeof(sockaddr_un.sun_path) - 1, unix(7)."""

_Answer = TypeVar("_Answer", bound=Message)

_CODES = {code: "".join(word.capitalize() for word in code.name.split("_")) for code in grpc.StatusCode} | {
    grpc.StatusCode.OK: "OK",
    grpc.StatusCode.CANCELLED: "Canceled",
}
"""Names as Go prints them, since they reach users in events: `rpc error: code = NotFound desc = ...`."""

_OPTIONS = (
    ("grpc.max_receive_message_length", limits.CRI_MESSAGE_BYTES),
    ("grpc.max_send_message_length", limits.CRI_MESSAGE_BYTES),
    # Otherwise the escaped socket path is sent as the authority, which Go's HTTP/2 server refuses.
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_http_proxy", 0),
    # A runtime that restarts is back within a second; the library's default waits up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
)


def parse_endpoint(text: str) -> str:
    """Turn `unix:///run/x.sock` or `/run/x.sock` into an absolute socket path.

    Raises UsageError for other schemes, relative paths, and paths no socket can have.

    >>> parse_endpoint("unix:///run/containerd/containerd.sock")
    '/run/containerd/containerd.sock'
    """
    path = text.removeprefix("unix://")
    if not path.startswith("/") or path.startswith("//"):
        raise UsageError(
            f"runtime endpoint {text!r} is not the path of a unix socket",
            hint="for example unix:///run/containerd/containerd.sock",
        )
    if len(path.encode()) > UNIX_SOCKET_PATH_BYTES:
        raise UsageError(
            f"the path of socket {path} has {len(path.encode())} bytes and a socket may have {UNIX_SOCKET_PATH_BYTES}",
            hint="choose a shorter data directory",
        )
    return path


def status_error(error: grpc.aio.AioRpcError) -> RuntimeServiceError:
    """The same refusal in our tree of errors, the code named as Go names it."""
    return RuntimeServiceError(_CODES[error.code()], error.details() or "")


class Channel:
    """A connection that opens at its first call and reconnects by itself."""

    def __init__(self, endpoint: str) -> None:
        self.path = parse_endpoint(endpoint)
        self._channel: grpc.aio.Channel | None = None
        self._methods: dict[str, Any] = {}

    async def call(
        self,
        path: str,
        request: Message,
        answer: type[_Answer],
        timeout_s: float | None,
        *,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> _Answer:
        """Call `/package.Service/Method` once. `timeout_s` None is for calls whose end the caller bounds.

        Raises RuntimeServiceError; a deadline is code DeadlineExceeded, an absent runtime Unavailable.
        """
        method = self._methods.get(path)
        if method is None:
            method = self._open().unary_unary(
                path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
            )
            self._methods[path] = method
        try:
            reply: _Answer = await method(request, timeout=timeout_s, metadata=metadata or None)
        except grpc.aio.AioRpcError as error:
            raise status_error(error) from error
        return reply

    async def stream(
        self,
        path: str,
        request: Message,
        answer: type[_Answer],
        *,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> AsyncIterator[_Answer]:
        """Yield the answers of a server-streaming method until it ends. Raises RuntimeServiceError."""
        method = self._open().unary_stream(
            path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
        )
        call = method(request, metadata=metadata or None)
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise status_error(error) from error
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the connection; running calls fail with code Canceled."""
        channel, self._channel = self._channel, None
        self._methods.clear()
        if channel is not None:
            async with asyncio.timeout(limits.CONNECT_TIMEOUT_S):
                await channel.close()

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(f"unix://{self.path}", options=_OPTIONS)
        return self._channel
