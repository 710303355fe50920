"""Connections below HTTP: upgraded requests whose bytes are somebody else's protocol (SPDY/3.1, WebSocket).

exec, attach and port-forward start as an HTTP request and go on as raw bytes. aiohttp hides the transport on
both sides and knows one upgrade only, WebSocket, so the two things that need the bytes are here and nowhere
else: `accept_upgrade` takes over a request that is served, and `dial` opens one. The server's side uses
aiohttp's own hook for WebSocket, `RequestHandler.set_parser`, which hands over whatever arrives; the
connection stays aiohttp's, so limits, shutdown and cancellation work as for any request. The client's side is
asyncio streams and thirty lines of HTTP/1.1, since no client library gives a connection away after a 101.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDict

from podsysctl.base import limits
from podsysctl.base.errors import ConnectionFailedError

CHUNK_BYTES = 64 * 1024
HANDSHAKE_HEADERS = (
    "Connection",
    "Upgrade",
    "X-Stream-Protocol-Version",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Accept",
)
"""What whoever stands between two ends of an upgrade passes on."""
_HEAD_BYTES = 64 * 1024
_ERROR_BODY_BYTES = 50_000
"""As much of a refusal's body as upstream reads (registry/generic/rest/response_checker.go)."""


class Connection(Protocol):
    """A stream of bytes in both directions."""

    async def read(self) -> bytes:
        """What arrived, at least one byte; nothing when the other side is done."""
        ...

    async def write(self, data: bytes) -> None:
        """Send, and wait while too much is on its way. Raises ConnectionError."""
        ...

    async def close(self) -> None:
        """End the connection; what was written is sent."""
        ...


class ServedConnection:
    """The client's side of a request that was taken over. Made by `accept_upgrade`."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self.response = response
        self._request = request
        self._chunks: list[bytes] = []
        self._size = 0
        self._ended = False
        self._arrived = asyncio.Event()

    # aiohttp calls these two, as it calls its own WebSocket reader.

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes from the transport, which pauses while many are waiting."""
        self._chunks.append(bytes(data))
        self._size += len(data)
        if self._size > CHUNK_BYTES and self._request.transport is not None:
            self._request.transport.pause_reading()
        self._arrived.set()
        return False, b""

    def feed_eof(self) -> None:
        """The client closed the connection."""
        self._ended = True
        self._arrived.set()

    def set_exception(self, _error: BaseException, _cause: BaseException | None = None) -> None:
        """The connection broke, which is its end."""
        self.feed_eof()

    async def read(self) -> bytes:
        """What arrived, at least one byte; nothing when the client is gone."""
        while not self._chunks:
            if self._ended or self._request.transport is None:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._request.transport is not None:
            self._request.transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send to the client. Raises ConnectionError when it is gone."""
        await self._request.writer.write(data)

    async def close(self) -> None:
        """Send what is written; aiohttp closes the connection after the handler returned."""
        with contextlib.suppress(ConnectionError):
            await self._request.writer.drain()


async def accept_upgrade(request: web.Request, headers: Iterable[tuple[str, str]]) -> ServedConnection:
    """Answer 101 with these headers and take the connection over.

    The handler must return the connection's `response` when it is done with it. A client sends nothing before
    it has the 101, so no byte is lost between parsing the request and here.
    """
    response = web.StreamResponse(status=101, headers=CIMultiDict(headers))
    response.force_close()
    connection = ServedConnection(request, response)
    request.protocol.set_parser(cast(Any, connection))
    await response.prepare(request)
    request.writer.send_headers()
    return connection


class DialledConnection:
    """Our side of a request that a server upgraded. Made by `dial`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """What arrived, at least one byte; nothing when the server is done or gone."""
        try:
            return await self._reader.read(CHUNK_BYTES)
        except (ConnectionError, ssl.SSLError):
            return b""

    async def write(self, data: bytes) -> None:
        """Send to the server. Raises ConnectionError."""
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        """Close; when the server takes its time, without what it did not take."""
        self._writer.close()
        try:
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            pass
        except TimeoutError:
            self._writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to an upgrade: `connection` after 101, else `body`, at most 50,000 bytes."""

    status: int
    reason: str
    headers: CIMultiDict[str]
    connection: DialledConnection | None
    body: bytes = b""


async def dial(
    url: str,
    method: str,
    headers: Iterable[tuple[str, str]],
    *,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
) -> Answer:
    """Send a request that asks for an upgrade, and read the answer. Raises ConnectionFailedError."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    if secure and tls is None:
        tls = ssl.create_default_context()
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", *(f"{key}: {value}" for key, value in headers)]
    if method not in ("GET", "HEAD"):
        lines.append("Content-Length: 0")
    try:
        async with asyncio.timeout(limits.CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                host,
                port,
                ssl=tls if secure else None,
                server_hostname=(server_hostname or host) if secure else None,
                limit=CHUNK_BYTES,
            )
    except (OSError, ssl.SSLError, TimeoutError) as error:
        raise ConnectionFailedError(f"error dialing backend: {_words(error)}") from error
    try:
        async with asyncio.timeout(limits.REQUEST_TIMEOUT_S):
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            await writer.drain()
            return await _answer(reader, writer)
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        writer.close()
        raise ConnectionFailedError(f"error sending request: {_words(error)}") from error
    except BaseException:
        writer.close()
        raise


async def relay(one: Connection, other: Connection, idle_timeout_s: float = limits.STREAM_IDLE_TIMEOUT_S) -> None:
    """Copy bytes both ways until either side ends, then end the other. Idle in both directions is an end, too."""
    last_s = asyncio.get_running_loop().time()

    async def copy(source: Connection, target: Connection) -> None:
        nonlocal last_s
        while data := await source.read():
            last_s = asyncio.get_running_loop().time()
            await target.write(data)

    tasks = {asyncio.create_task(copy(one, other)), asyncio.create_task(copy(other, one))}
    try:
        done: set[asyncio.Task[None]] = set()
        while not done:
            left_s = last_s + idle_timeout_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            done, _ = await asyncio.wait(tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        try:  # whatever becomes of one end, and also when this task is cancelled meanwhile, the other is let go
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            try:
                await one.close()
            finally:
                await other.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    if len(head) > _HEAD_BYTES:
        raise ValueError("the answer's head is too long")
    first, *rest = head.decode("latin-1").split("\r\n")
    version, _, line = first.partition(" ")
    code, _, reason = line.partition(" ")
    if not version.startswith("HTTP/1.") or not code.isdigit():
        raise ValueError(f"malformed HTTP response {first[:80]!r}")
    headers: CIMultiDict[str] = CIMultiDict()
    for row in rest:
        key, colon, value = row.partition(":")
        if colon:
            headers.add(key.strip(), value.strip())
    if int(code) == 101:
        return Answer(101, reason, headers, DialledConnection(reader, writer))
    body = await _body(reader, headers)
    writer.close()
    return Answer(int(code), reason, headers, None, body)


async def _body(reader: asyncio.StreamReader, headers: CIMultiDict[str]) -> bytes:
    """The body of a refusal, cut to a bound."""
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return await _chunked(reader)
    length = headers.get("Content-Length", "")
    if length.isdigit():
        return await reader.readexactly(min(int(length), _ERROR_BODY_BYTES))
    out = b""
    while len(out) < _ERROR_BODY_BYTES and (data := await reader.read(CHUNK_BYTES)):
        out += data
    return out[:_ERROR_BODY_BYTES]


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    out = b""
    while len(out) < _ERROR_BODY_BYTES:
        size = int((await reader.readline()).split(b";")[0], 16)
        if size == 0:
            break
        out += await reader.readexactly(min(size, _ERROR_BODY_BYTES))
        await reader.readline()
    return out[:_ERROR_BODY_BYTES]


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    return str(error) or type(error).__name__
