"""Carrying requests to an API server: one keep-alive pool, every wait bounded, retries only where safe.

What a request means is in `rest.py`; what an answer means, in `answers.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from podsysctl.base import clock, limits, versions
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client import answers, tls
from podsysctl.client.auth import Credentials
from podsysctl.client.config import ClientConfig


@dataclass(frozen=True, slots=True)
class Response:
    """A successful answer, undecoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport:
    """Connections to one API server, as one identity. Use as an async context manager.

    `on_warning` is called with each Warning header's text. Safe for use by many tasks at once.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        on_warning: Callable[[str], None] | None = None,
        user_agent: str = f"podsysctl/{versions.PROGRAM_VERSION}",
        time: clock.Clock | None = None,
        request_timeout_s: float = limits.REQUEST_TIMEOUT_S,
    ) -> None:
        self.config = config
        self._timeout_s = request_timeout_s
        self._on_warning = on_warning
        self._agent = user_agent
        self._credentials = Credentials(config, time or clock.SystemClock())
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        cert, key = await self._credentials.certificate()
        context = tls.create_context(self.config, cert, key)
        connector = aiohttp.TCPConnector(
            limit=limits.CLIENT_CONNECTIONS,
            keepalive_timeout=limits.CLIENT_KEEPALIVE_S,
            ssl=context if context is not None else False,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",),
            trust_env=True,
            middlewares=(_read_upgrade_failure,),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The decoded JSON of an answer; options as in `send`."""
        response = await self.send(method, path, **options)
        return answers.decode(response.body, f"{method} {path}")

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | list[tuple[str, str]] | None = None,
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
        for attempt in range(limits.CLIENT_ATTEMPTS):
            last = attempt == limits.CLIENT_ATTEMPTS - 1
            try:
                async with self.open(
                    method,
                    path,
                    params=params,
                    data=data,
                    content_type=content_type,
                    accept=accept,
                    headers=headers,
                    timeout_s=timeout_s or self._timeout_s,
                ) as response:
                    payload = await response.read()
                    return Response(response.status, response.headers, payload)
            except _RetryLaterError as error:
                if last:
                    raise
                await asyncio.sleep(min(error.wait_s, limits.CLIENT_RETRY_AFTER_S))
            except _BrokenConnectionError:
                if last or method != "GET":
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | list[tuple[str, str]] | None = None,
        data: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request whose 2xx body the caller reads, for logs and watches; `timeout_s` None has no end.

        Errors inside the block that come from the connection are translated as well.
        """
        what = f"{method} {path}"
        sent = await self._headers(accept, headers)
        if data is not None:
            sent["Content-Type"] = content_type
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=limits.CONNECT_TIMEOUT_S)
        try:
            async with self._open_session().request(
                method, self.url(path, params), data=data, headers=sent, timeout=timeout, allow_redirects=False
            ) as response:
                self._warn(response)
                if response.status >= 300 or response.status < 200:
                    raise await _failure(response, method)
                yield response
        except aiohttp.ClientConnectorError as error:
            raise answers.connection_error(error, self.config.server, what) from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError) as error:
            broken = answers.connection_error(error, self.config.server, what)
            raise _BrokenConnectionError(broken.message, hint=broken.hint) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise answers.connection_error(error, self.config.server, what) from error

    async def websocket(
        self, path: str, params: list[tuple[str, str]], protocols: tuple[str, ...]
    ) -> aiohttp.ClientWebSocketResponse:
        """Upgrade to a WebSocket. Raises StatusError when the server answers something else than 101."""
        what = f"GET {path}"
        try:
            async with asyncio.timeout(limits.REQUEST_TIMEOUT_S):
                return await self._open_session().ws_connect(
                    self.url(path, params),
                    protocols=protocols,
                    headers=await self._headers("*/*", None),
                    autoping=True,
                    heartbeat=limits.STREAM_HEARTBEAT_S,
                    max_msg_size=limits.STREAM_MESSAGE_BYTES,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise answers.status_error(error.status, error.message.encode(), "GET") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise answers.connection_error(error, self.config.server, what) from error

    def url(self, path: str, params: Mapping[str, str] | list[tuple[str, str]] | None = None) -> URL:
        """The full address; `path` is already percent-encoded."""
        query = "?" + urlencode(params) if params else ""
        return URL(self.config.server + path + query, encoded=True)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ConnectionFailedError("the client is closed")
        return self._session

    async def _headers(self, accept: str, extra: Mapping[str, str] | None) -> Any:
        out = CIMultiDict({"Accept": accept, "User-Agent": self._agent, **await self._credentials.headers()})
        for group in self.config.impersonate_groups:
            out.add("Impersonate-Group", group)
        if extra:
            out.update(extra)
        return out

    def _warn(self, response: aiohttp.ClientResponse) -> None:
        if self._on_warning is not None and "Warning" in response.headers:
            for text in answers.parse_warnings(response.headers.getall("Warning")):
                self._on_warning(text)


class _BrokenConnectionError(ConnectionFailedError):
    """The connection ended before the answer did."""


class _RetryLaterError(StatusError):
    """The server did nothing and asks to be asked again after `wait_s` seconds."""

    def __init__(self, error: StatusError, wait_s: int) -> None:
        super().__init__(error.code, error.status_reason, error.message, error.details, metadata=error.metadata)
        self.wait_s = wait_s


async def _failure(response: aiohttp.ClientResponse, method: str) -> StatusError:
    retry_after = response.headers.get("Retry-After", "")
    seconds = int(retry_after) if retry_after.isdigit() else 0
    body = await response.read()
    error = answers.status_error(response.status, body, method, seconds)
    if seconds and (response.status == 429 or response.status >= 500):
        return _RetryLaterError(error, seconds)
    return error


async def _read_upgrade_failure(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """aiohttp drops the body of a refused WebSocket upgrade; it holds the Status, so read it here."""
    response = await handler(request)
    if request.headers.get("Upgrade", "").lower() == "websocket" and response.status != 101:
        raise await _failure(response, "GET")
    return response
