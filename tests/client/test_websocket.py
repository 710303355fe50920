"""WebSocket against aiohttp's server, and against servers that do odd things."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from podsysctl.base.errors import ConnectionFailedError
from podsysctl.client import websocket
from podsysctl.client.config import ClientConfig
from podsysctl.client.http1 import BrokenAnswerError
from podsysctl.client.rest import Client
from tests.client.test_http1 import serving

Handler = Callable[[web.WebSocketResponse], Awaitable[None]]
Opened = Callable[[Handler], Awaitable[websocket.WebSocket]]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Open a WebSocket to a handler of the test's."""
    handlers: list[Handler] = []

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",), autoping=False, max_msg_size=0)
        await socket.prepare(request)
        await handlers[-1](socket)
        return socket

    app = web.Application()
    app.router.add_get("/s", serve)
    server = TestServer(app)
    await server.start_server()
    client = await Client(ClientConfig(server=str(server.make_url("")).rstrip("/"))).__aenter__()
    sockets: list[websocket.WebSocket] = []

    async def open_(handler: Handler) -> websocket.WebSocket:
        handlers.append(handler)
        socket = await client.websocket("/s", [("command", "ls")], ("v5.channel.k8s.io", "v4.channel.k8s.io"))
        sockets.append(socket)
        return socket

    yield open_
    for socket in sockets:
        await socket.close()
    await client.__aexit__()
    await server.close()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1_000_000])
async def test_message_of_any_size_comes_back(opened: Opened, size: int) -> None:
    """Each length encoding, masked on the way out."""

    async def echo(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes((await socket.receive()).data)

    socket = await opened(echo)
    assert socket.protocol == "v5.channel.k8s.io"
    data = os.urandom(size)
    await socket.send(data)
    assert await socket.receive() == websocket.Message(websocket.BINARY, data)


async def test_ping_is_answered_and_close_ends_the_iteration(opened: Opened) -> None:
    """A ping comes back as a pong with its bytes; after the close there is nothing."""
    pongs: list[bytes] = []

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.ping(b"there?")
        await socket.send_bytes(b"1")
        answer = await socket.receive()
        assert answer.type is aiohttp.WSMsgType.PONG
        pongs.append(answer.data)
        await socket.close()

    socket = await opened(script)
    assert [m.data async for m in socket] == [b"1"]
    assert pongs == [b"there?"]
    with pytest.raises(ConnectionResetError):
        await socket.send(b"late")


async def test_connection_that_breaks_raises(opened: Opened) -> None:
    """An end without a close is an error, not an end."""

    async def cut(socket: web.WebSocketResponse) -> None:
        assert socket._req is not None
        assert socket._req.transport is not None
        socket._req.transport.abort()

    socket = await opened(cut)
    with pytest.raises(OSError):  # noqa: PT011 - a reset or an end, as the kernel tells it
        await socket.receive()


def frames(*parts: tuple[int, bytes]) -> bytes:
    """Unmasked frames with the given first bytes."""
    return b"".join(struct.pack(">BB", first, len(data)) + data for first, data in parts)


async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, accept: str = "") -> None:
    """Upgrade as a server does."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    value = accept or base64.b64encode(digest).decode()
    writer.write(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {value}\r\n\r\n".encode()
    )


async def test_fragments_are_one_message_even_around_a_ping() -> None:
    """Continuation frames belong together, and control frames may stand between them."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handshake(reader, writer)
        writer.write(frames((0x02, b"he"), (0x89, b""), (0x00, b"l"), (0x80, b"lo"), (0x88, b"\x03\xe8")))
        await reader.read()

    async with serving(script) as url, Client(ClientConfig(server=url)) as client:
        socket = await client.websocket("/s", [], ("x",))
        assert await socket.receive() == websocket.Message(websocket.BINARY, b"hello")
        assert await socket.receive() is None
        await socket.close()


async def test_wrong_handshake_is_refused() -> None:
    """A server that did not see our key is not spoken to."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handshake(reader, writer, accept="nonsense")

    async with serving(script) as url, Client(ClientConfig(server=url)) as client:
        with pytest.raises(ConnectionFailedError, match="handshake is wrong"):
            await client.websocket("/s", [], ("x",))


async def test_masked_frame_of_a_server_is_an_error() -> None:
    """Servers must not mask (RFC 6455, 5.1)."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handshake(reader, writer)
        writer.write(b"\x82\x81abcdx")
        await reader.read()

    async with serving(script) as url, Client(ClientConfig(server=url)) as client:
        socket = await client.websocket("/s", [], ("x",))
        with pytest.raises(BrokenAnswerError):
            await socket.receive()
        await socket.close()
