"""Carrying requests to an API server: one keep-alive pool, every wait bounded, retries only where safe.

What a request means is in `rest.py`; what an answer means, in `answers.py`; the bytes, in `http1.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self
from urllib.parse import urlencode

import orjson

from podsysctl.base import clock, limits, versions
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client import answers, http1, tls, websocket
from podsysctl.client.auth import Credentials
from podsysctl.client.config import ClientConfig

Parameters = Mapping[str, str] | list[tuple[str, str]] | None


@dataclass(frozen=True, slots=True)
class Response:
    """A successful answer, undecoded."""

    status: int
    headers: http1.Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `path` is percent-encoded, `params` are not."""

    method: str
    path: str
    params: Parameters
    headers: list[tuple[str, str]]
    body: bytes | None = field(repr=False)


class InProcess(Protocol):
    """A server in this process, which knows who we are."""

    async def connect(self, buffer_bytes: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to it; the reader holds at most so many bytes. Raises ConnectionRefusedError."""
        ...

    async def answer(self, asked: Asked) -> Response:
        """The answer to a write, whatever its status. Raises ConnectionRefusedError."""
        ...


class Transport:
    """Connections to one API server, as one identity. Use as an async context manager.

    `on_warning` is called with each Warning header's text. A server in this process may be given as `in_process`: then
    `config` says no more than what to call it. Safe for use by many tasks at once.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        on_warning: Callable[[str], None] | None = None,
        user_agent: str = f"podsysctl/{versions.PROGRAM_VERSION}",
        time: clock.Clock | None = None,
        request_timeout_s: float = limits.REQUEST_TIMEOUT_S,
        in_process: InProcess | None = None,
    ) -> None:
        self.config = config
        self._in_process = in_process
        self._timeout_s = request_timeout_s
        self._on_warning = on_warning
        self._agent = user_agent
        self._credentials = Credentials(config, time or clock.SystemClock())
        self._pool: http1.Pool | None = None

    async def __aenter__(self) -> Self:
        server = self.config.server
        if self._in_process is not None:
            self._pool = http1.Pool(server, None, dial=self._in_process.connect)
            return self
        cert, key = await self._credentials.certificate()
        self._pool = http1.Pool(
            server,
            tls.create_context(self.config, cert, key),
            server_name=self.config.tls_server_name,
            proxy=http1.proxy_for(server, self.config.proxy),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The decoded JSON of an answer; options as in `send`."""
        response = await self.send(method, path, **options)
        return answers.decode(response.body, f"{method} {path}")

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Parameters = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        """One request, answered 2xx. `body` is bytes or is encoded as JSON.

        Asked to wait (429 or 5xx with Retry-After), it waits and asks again, any method, since the server has
        then done nothing (client-go rest/with_retry.go, v1.36). A broken connection is retried for GET alone.
        Raises StatusError for any other answer and ConnectionFailedError when there is none.
        """
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        bound_s = timeout_s or self._timeout_s
        for attempt in range(limits.CLIENT_ATTEMPTS):
            last = attempt == limits.CLIENT_ATTEMPTS - 1
            try:
                if self._in_process is not None and method != "GET":
                    sent = await self._headers(accept, headers)
                    if data is not None:
                        sent.append(("Content-Type", content_type))
                    return await self._call(self._in_process, Asked(method, path, params, sent, data), bound_s)
                async with self.open(
                    method,
                    path,
                    params=params,
                    data=data,
                    content_type=content_type,
                    accept=accept,
                    headers=headers,
                    timeout_s=bound_s,
                ) as response:
                    return Response(response.status, response.headers, await response.read())
            except _RetryLaterError as error:
                if last:
                    raise
                await asyncio.sleep(min(error.wait_s, limits.CLIENT_RETRY_AFTER_S))
            except _BrokenConnectionError:
                if last or method != "GET":
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _call(self, server: InProcess, asked: Asked, timeout_s: float) -> Response:
        """One write to a server in this process, answered 2xx."""
        try:
            async with asyncio.timeout(timeout_s):
                response = await server.answer(asked)
        except (ConnectionRefusedError, TimeoutError) as error:
            raise self._translated(error, f"{asked.method} {asked.path}") from error
        self._warn(response.headers)
        if not 200 <= response.status < 300:
            raise _failure(response.status, response.headers, response.body, asked.method)
        return response

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        params: Parameters = None,
        data: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[http1.Response]:
        """One request whose 2xx body the caller reads, for logs and watches; `timeout_s` None has no end.

        Errors inside the block that come from the connection are translated as well.
        """
        sent = await self._headers(accept, headers)
        if data is not None:
            sent.append(("Content-Type", content_type))
        is_answered = False
        try:
            async with (
                asyncio.timeout(timeout_s) as scope,
                self._open_pool().request(method, target(path, params), sent, data) as response,
            ):
                self._warn(response.headers)
                if not 200 <= response.status < 300:
                    raise _failure(response.status, response.headers, await response.read(), method)
                is_answered = True
                yield response
        except (OSError, ValueError) as error:
            is_connections = isinstance(error, http1.BrokenAnswerError) or (
                isinstance(error, TimeoutError) and scope.expired()
            )
            if is_answered and not is_connections:
                raise  # the caller's own, from inside the block
            raise self._translated(error, f"{method} {path}") from error

    def _translated(self, error: Exception, what: str) -> ConnectionFailedError:
        told = answers.connection_error(error, self.config.server, what)
        if isinstance(error, http1.BrokenAnswerError | ConnectionResetError | BrokenPipeError | ssl.SSLEOFError):
            return _BrokenConnectionError(told.message, hint=told.hint)
        return told

    async def websocket(
        self, path: str, params: list[tuple[str, str]], protocols: tuple[str, ...]
    ) -> websocket.WebSocket:
        """Upgrade to a WebSocket. Raises StatusError when the server answers something else than 101."""
        key, asked = websocket.handshake(protocols)
        headers = [*await self._headers("*/*", None), *asked]
        try:
            async with asyncio.timeout(limits.REQUEST_TIMEOUT_S):
                upgraded = await self._open_pool().upgrade(target(path, params), headers)
                if upgraded.status == 101:
                    return websocket.WebSocket(upgraded, key)
        except (OSError, ValueError) as error:
            raise answers.connection_error(error, self.config.server, f"GET {path}") from error
        self._warn(upgraded.headers)
        raise _failure(upgraded.status, upgraded.headers, upgraded.body, "GET")

    def _open_pool(self) -> http1.Pool:
        if self._pool is None:
            raise ConnectionFailedError("the client is closed")
        return self._pool

    async def _headers(self, accept: str, extra: Mapping[str, str] | None) -> list[tuple[str, str]]:
        out = [("Accept", accept), ("User-Agent", self._agent), *(await self._credentials.headers()).items()]
        out += [("Impersonate-Group", group) for group in self.config.impersonate_groups]
        return [*out, *(extra or {}).items()]

    def _warn(self, headers: http1.Headers) -> None:
        if self._on_warning is not None:
            for text in answers.parse_warnings(headers.getall("warning")):
                self._on_warning(text)


def target(path: str, params: Parameters) -> str:
    """The request target; `path` is already percent-encoded."""
    return f"{path}?{urlencode(params)}" if params else path


class _BrokenConnectionError(ConnectionFailedError):
    """The connection ended before the answer did."""


class _RetryLaterError(StatusError):
    """The server did nothing and asks to be asked again after `wait_s` seconds."""

    def __init__(self, error: StatusError, wait_s: int) -> None:
        super().__init__(error.code, error.status_reason, error.message, error.details, metadata=error.metadata)
        self.wait_s = wait_s


def _failure(status: int, headers: http1.Headers, body: bytes, method: str) -> StatusError:
    retry_after = headers.get("retry-after")
    seconds = int(retry_after) if retry_after.isdigit() else 0
    error = answers.status_error(status, body, method, seconds)
    if seconds and (status == 429 or status >= 500):
        return _RetryLaterError(error, seconds)
    return error
