"""HTTP/1.1 as servers really send it, and as they should not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from podsysctl.base import limits
from podsysctl.base.errors import ConnectionFailedError
from podsysctl.client import http1
from podsysctl.client.config import ClientConfig
from podsysctl.client.http1 import BrokenAnswerError, ConnectError, Pool
from podsysctl.client.rest import Client

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[str]:
    """A TCP server that does for each connection what the script says; its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def answering(*pieces: bytes) -> Script:
    """Every request gets these bytes, sent one piece at a time; then the connection ends."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return script


async def ask(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    """One request on a pool of its own."""
    pool = Pool(url, None)
    try:
        async with pool.request(method, "/x", [], body) as response:
            return response.status, await response.read()
    finally:
        await pool.close()


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], (200, b"hello"), id="length"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n\r", b"\nhe", b"llo"], (200, b"hello"), id="pieces"
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r", b"\n3;x=y\r\nllo\r\n0\r\nT: 1\r\n\r\n"],
            (200, b"hello"),
            id="chunks-with-extension-and-trailer",
        ),
        pytest.param([b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo"], (200, b"hello"), id="until-the-end"),
        pytest.param([b"HTTP/1.1 204 No Content\r\n\r\n"], (204, b""), id="no-content"),
        pytest.param(
            [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"],
            (404, b""),
            id="interim",
        ),
    ],
)
async def test_answer_is_read_in_every_framing(pieces: list[bytes], expected: tuple[int, bytes]) -> None:
    """Lengths, chunks, and bodies that end with the connection."""
    async with serving(answering(*pieces)) as url:
        assert await ask(url) == expected


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b""], id="nothing"),
        pytest.param([b"SSH-2.0-OpenSSH_9\r\n\r\n"], id="another-protocol"),
        pytest.param([b"HTTP/1.1 20 OK\r\n\r\n"], id="half-a-status"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"], id="too-short"),
        pytest.param([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], id="bad-chunk"),
        pytest.param([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"], id="chunk-too-short"),
        pytest.param([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello"], id="negative-chunk"),
        pytest.param([b"HTTP/1.1 200 OK\r\nX: " + b"a" * (http1.HEAD_BYTES + 1)], id="endless-head"),
    ],
)
async def test_answer_that_is_broken_raises(pieces: list[bytes]) -> None:
    """Nothing that is not a whole answer passes for one."""
    async with serving(answering(*pieces)) as url:
        with pytest.raises(BrokenAnswerError):
            await ask(url)


async def test_connection_is_kept_for_the_next_request() -> None:
    """Ten requests one after the other use one connection; ten at once use ten and then fewer again."""
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:")
            await asyncio.sleep(0.005)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with serving(script) as url:
        pool = Pool(url, None)

        async def once() -> bytes:
            async with pool.request("GET", "/x", [], None) as response:
                return await response.read()

        for _ in range(10):
            assert await once() == b"ok"
        assert connections == 1
        assert await asyncio.gather(*(once() for _ in range(10))) == [b"ok"] * 10
        assert connections == 10
        await pool.close()


@pytest.mark.parametrize("read", [True, False])
async def test_connection_with_unread_body_is_not_used_again(read: bool) -> None:
    """Who leaves early does not leave half an answer to the next request."""
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")

    async with serving(script) as url:
        pool = Pool(url, None)
        for _ in range(2):
            async with pool.request("GET", "/x", [], None) as response:
                if read:
                    assert await response.read() == b"body"
        assert connections == (1 if read else 2)
        await pool.close()


async def test_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    """A kept connection that has ended is noticed before a request is sent on it, so even a POST is safe."""
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()
        ended.set()

    async with serving(script) as url, Client(ClientConfig(server=url)) as client:
        for _ in range(2):
            ended.clear()
            assert (await client.send("POST", "/x", body=b"{}")).body == b"ok"
            await ended.wait()
            await asyncio.sleep(0.05)


async def test_request_that_is_cancelled_frees_its_connection() -> None:
    """A cancelled request closes its connection and gives its slot back."""
    silent = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        silent.set()
        assert await reader.read() == b""

    async with serving(script) as url:
        pool = Pool(url, None)
        task = asyncio.create_task(_one(pool))
        await silent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool._slots._value == limits.CLIENT_CONNECTIONS
        await pool.close()


async def _one(pool: Pool) -> None:
    async with pool.request("GET", "/x", [], None) as response:
        await response.read()


async def test_header_with_line_break_is_refused() -> None:
    """No value can add a header or a request of its own."""
    script = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    async with serving(script) as url, Client(ClientConfig(server=url).impersonating("a\r\nX-Evil: 1")) as client:
        with pytest.raises(ConnectionFailedError, match="a header holds a line break"):
            await client.send("GET", "/x")


async def test_request_takes_the_kubeconfigs_proxy() -> None:
    """With a proxy the connection begins with CONNECT; a proxy that refuses is told."""
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with serving(proxy) as url, Client(ClientConfig(server="http://api.test:6443", proxy=url)) as client:
        assert (await client.send("GET", "/version")).body == b"ok"
    assert asked == [b"CONNECT api.test:6443 HTTP/1.1", b"GET /version HTTP/1.1"]
    async with serving(answering(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as url:
        pool = Pool("http://api.test:6443", None, proxy=url)
        with pytest.raises(ConnectError, match="answered 403"):
            await _one(pool)


@pytest.mark.parametrize(
    ("environment", "server", "proxy"),
    [
        ({}, "https://a", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https://a", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "a,b"}, "https://a", ""),
        ({"http_proxy": "http://p:1"}, "https://a", ""),
    ],
)
def test_proxy_for_obeys_the_environment(
    environment: dict[str, str], server: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual variables, in either case."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert http1.proxy_for(server) == proxy
