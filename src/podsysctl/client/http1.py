"""HTTP/1.1 to one server: a pool of kept connections, streamed answers, upgrades.

What a client of one API server needs and no more, on asyncio's streams: a command starts in less than half the
time that it takes with aiohttp's client, and a request costs no more (bench/client.py measures both). RFC 9112 is
the grammar; answers that break it end the connection. Meaning, retries and time limits are `transport.py`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from podsysctl.base import limits

CHUNK_BYTES = 64 * 1024
HEAD_BYTES = 256 * 1024
"""Longest head of an answer: a write with hundreds of Warning headers stays below."""

KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 3))
"""How a silent watch finds out that its peer is gone: after 30 s of silence, three questions 15 s apart."""


Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Opens a connection whose reader holds at most so many bytes."""


class BrokenAnswerError(ConnectionError):
    """The connection ended in the middle of an answer, or before it, or the answer is not HTTP."""


class ConnectError(OSError):
    """The server, or the proxy in front of it, was not reached."""


class Headers:
    """Header lines of an answer; names in any case."""

    __slots__ = ("_lines",)

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self._lines = lines

    def get(self, name: str, default: str = "") -> str:
        """The first value."""
        wanted = name.lower()
        return next((value for key, value in self._lines if key == wanted), default)

    def getall(self, name: str) -> list[str]:
        """Every value, in order."""
        wanted = name.lower()
        return [value for key, value in self._lines if key == wanted]


@dataclass(slots=True, eq=False)
class _Link:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since_s: float = 0.0

    def is_usable(self, now_s: float) -> bool:
        """Whether the server has left it open, and it is not too old to be trusted."""
        return (
            not self.reader.at_eof()
            and not self.writer.is_closing()
            and now_s - self.idle_since_s < limits.CLIENT_KEEPALIVE_S
        )


class Response:
    """An answer; its body is read once, with `read` or `iter_any`."""

    def __init__(self, status: int, headers: Headers, link: _Link, *, without_body: bool, is_old: bool) -> None:
        self.status = status
        self.headers = headers
        self._link = link
        self._chunked = headers.get("transfer-encoding").lower() == "chunked"
        length = headers.get("content-length")
        self._left: int | None = 0 if without_body else int(length) if length.isdigit() and not self._chunked else None
        if without_body:
            self._chunked = False
        self._keep = headers.get("connection").lower() != "close" and not is_old
        self.complete = self._left == 0 and not self._chunked

    @property
    def can_be_reused(self) -> bool:
        """Whether the connection is free for the next request."""
        return self.complete and self._keep and (self._chunked or self._left is not None)

    async def read(self) -> bytes:
        """The whole body. Raises BrokenAnswerError."""
        if self._left is not None and not self._chunked:
            body = await _exactly(self._link.reader, self._left)
            self._left, self.complete = 0, True
            return body
        return b"".join([chunk async for chunk in self.iter_any()])

    async def iter_any(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, in pieces that are never empty. Raises BrokenAnswerError."""
        reader = self._link.reader
        if self._chunked:
            while size := await self._chunk_size():
                while size:
                    data = await _some(reader, min(size, CHUNK_BYTES))
                    size -= len(data)
                    yield data
                await _exactly(reader, 2)
            self.complete = True
        elif self._left is not None:
            while self._left:
                data = await _some(reader, min(self._left, CHUNK_BYTES))
                self._left -= len(data)
                yield data
            self.complete = True
        else:
            while data := await _rest(reader, CHUNK_BYTES):
                yield data
            self.complete = True

    async def _chunk_size(self) -> int:
        line = await _line(self._link.reader)
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError as error:
            raise BrokenAnswerError(f"malformed chunk {line[:20]!r}") from error
        if size < 0:
            raise BrokenAnswerError(f"malformed chunk {line[:20]!r}")
        if not size:
            while await _line(self._link.reader):
                pass  # trailers say nothing to us
        return size


_LOST = "the connection ended before the answer did"


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise BrokenAnswerError(_LOST) from error


async def _some(reader: asyncio.StreamReader, most: int) -> bytes:
    data = await _rest(reader, most)
    if not data:
        raise BrokenAnswerError(_LOST)
    return data


async def _rest(reader: asyncio.StreamReader, most: int) -> bytes:
    """What has come; empty at the end."""
    try:
        return await reader.read(most)
    except OSError as error:
        raise BrokenAnswerError(_LOST) from error


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except (asyncio.IncompleteReadError, OSError) as error:
        raise BrokenAnswerError(_LOST) from error
    except asyncio.LimitOverrunError as error:
        raise BrokenAnswerError("a line of the answer is too long") from error


async def _head(link: _Link, method: str) -> Response:
    """Read up to the body; 100 and other interim answers are passed over."""
    while True:
        try:
            head = await link.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise BrokenAnswerError("the server closed the connection without an answer") from error
        except asyncio.LimitOverrunError as error:
            raise BrokenAnswerError(f"the head of the answer is longer than {HEAD_BYTES} bytes") from error
        first, *rows = head[:-4].decode(errors="replace").split("\r\n")  # servers write warnings as UTF-8, as Go does
        version, _, line = first.partition(" ")
        code = line[:3]
        if version not in ("HTTP/1.1", "HTTP/1.0") or not code.isdigit() or len(code) < 3:
            raise BrokenAnswerError(f"malformed HTTP response {first[:80]!r}")
        status = int(code)
        if status >= 200 or status == 101:
            break
    lines = []
    for row in rows:
        name, _, value = row.partition(":")
        lines.append((name.lower(), value.strip()))
    without_body = method == "HEAD" or status in (101, 204, 304)
    return Response(status, Headers(lines), link, without_body=without_body, is_old=version == "HTTP/1.0")


class Pool:
    """Connections to the server of one URL, through a proxy if there is one.

    `tls` None means plain HTTP; `server_name` is what the certificate must say, the host by default. `dial` opens the
    connections in place of all that.
    """

    def __init__(
        self,
        server: str,
        tls: ssl.SSLContext | None,
        *,
        server_name: str = "",
        proxy: str = "",
        dial: Dial | None = None,
    ) -> None:
        parts = urlsplit(server)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._authority = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")
        self._tls = tls
        self._server_name = server_name or self._host
        self._proxy = proxy
        self._dial = dial
        self._idle: deque[_Link] = deque()
        self._open: set[_Link] = set()
        self._slots = asyncio.Semaphore(limits.CLIENT_CONNECTIONS)
        self._closed = False

    async def close(self) -> None:
        """End every connection, used ones too."""
        self._closed = True
        links = [*self._idle, *self._open]
        self._idle.clear()
        for link in links:
            _abort(link)
        # Let the transports tell their protocols, so that nothing is left for a loop that ends.
        await asyncio.sleep(0)

    @asynccontextmanager
    async def request(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None
    ) -> AsyncIterator[Response]:
        """Send a request; the answer's body is read inside the block.

        Raises ConnectError, ssl.SSLError, BrokenAnswerError and OSError.
        """
        async with self._slots:
            link = await self._link()
            self._open.add(link)
            response: Response | None = None
            try:
                self._send(link, method, target, headers, body)
                await link.writer.drain()
                response = await _head(link, method)
                yield response
            finally:
                self._open.discard(link)
                if response is not None and response.can_be_reused and not self._closed:
                    link.idle_since_s = asyncio.get_running_loop().time()
                    self._idle.append(link)
                else:
                    _abort(link)

    async def upgrade(self, target: str, headers: Iterable[tuple[str, str]]) -> Upgraded:
        """Ask for another protocol on a connection of its own. Raises as `request` does."""
        link = await self._connect()
        try:
            self._send(link, "GET", target, headers, None)
            await link.writer.drain()
            response = await _head(link, "GET")
            body = b"" if response.status == 101 else await response.read()
        except BaseException:
            _abort(link)
            raise
        if response.status != 101:
            _abort(link)
        return Upgraded(response.status, response.headers, body, link.reader, link.writer)

    async def _link(self) -> _Link:
        now_s = asyncio.get_running_loop().time()
        while self._idle:
            link = self._idle.pop()
            if link.is_usable(now_s):
                return link
            _abort(link)
        return await self._connect()

    def _send(
        self, link: _Link, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None
    ) -> None:
        lines = [f"{method} {self._prefix}{target} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        elif method not in ("GET", "HEAD"):
            lines.append("Content-Length: 0")
        text = "\r\n".join(lines)
        if text.count("\r\n") != len(lines) - 1 or text.count("\n") != len(lines) - 1:
            raise ValueError("a header holds a line break")
        link.writer.write(text.encode() + b"\r\n\r\n" + (body or b""))

    async def _connect(self) -> _Link:
        if self._closed:
            raise ConnectError("the client is closed")
        if self._dial is not None:
            return _Link(*await self._dial(HEAD_BYTES))
        async with asyncio.timeout(limits.CONNECT_TIMEOUT_S):
            if self._proxy:
                reader, writer = await self._through_proxy()
            else:
                reader, writer = await asyncio.open_connection(
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._server_name if self._tls else None,
                    limit=HEAD_BYTES,
                )
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        return _Link(reader, writer)

    async def _through_proxy(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._proxy if "://" in self._proxy else f"http://{self._proxy}")
        if parts.scheme != "http":
            raise ConnectError(f"proxy {self._proxy}: only http:// proxies are supported")
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 3128, limit=HEAD_BYTES)
        address = f"{self._host}:{self._port}"
        writer.write(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        response = await _head(_Link(reader, writer), "HEAD")
        if response.status != 200:
            writer.close()
            raise ConnectError(f"proxy {self._proxy} answered {response.status}")
        if self._tls is not None:
            await writer.start_tls(self._tls, server_hostname=self._server_name)
        return reader, writer


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The answer to an upgrade; the streams are the other protocol's when `status` is 101."""

    status: int
    headers: Headers
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def _abort(link: _Link) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        link.writer.transport.abort()


def proxy_for(server: str, configured: str = "") -> str:
    """The proxy for a server: the kubeconfig's, else $HTTPS_PROXY and its like unless $NO_PROXY names the host."""
    if configured:
        return configured
    parts = urlsplit(server)
    names = (f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper())
    found = next((os.environ[name] for name in names if os.environ.get(name)), "")
    if not found:
        return ""
    from urllib.request import proxy_bypass

    return "" if proxy_bypass(parts.hostname or "") else found
