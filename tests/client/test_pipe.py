"""Connections in memory behave as sockets do towards the protocols at their ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from podsysctl.base import pipe


class Server(asyncio.Protocol):
    """Notes what happens to it."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.happened: list[str] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got.append(data)

    def eof_received(self) -> bool:
        self.happened.append("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.happened.append("lost")

    def pause_writing(self) -> None:
        self.happened.append("pause")

    def resume_writing(self) -> None:
        self.happened.append("resume")


@asynccontextmanager
async def _opened(
    buffer_bytes: int = 1024,
) -> AsyncIterator[tuple[Server, asyncio.StreamReader, asyncio.StreamWriter]]:
    server = Server()
    reader, writer = pipe.open_streams(lambda: server, {"user": "someone"}, buffer_bytes)
    try:
        yield server, reader, writer
    finally:
        writer.close()
        await _rounds()


async def _rounds(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_bytes_arrive_in_order_both_ways() -> None:
    """Writes of one round arrive together, later ones after them."""
    async with _opened() as (server, reader, writer):
        writer.write(b"a")
        writer.writelines([b"b", b"c"])
        assert server.got == []
        await _rounds()
        writer.write(b"d")
        await _rounds()
        assert server.got == [b"abc", b"d"]
        server.transport.write(b"answer")
        assert await reader.readexactly(6) == b"answer"


async def test_server_sees_what_it_is_told() -> None:
    """Extra information is the server's alone."""
    async with _opened() as (server, _, writer):
        assert server.transport.get_extra_info("user") == "someone"
        assert writer.get_extra_info("user") is None
        assert server.transport.get_extra_info("peercert") is None


async def test_close_brings_what_was_written_first() -> None:
    """The other side gets the last bytes, then the end, and is closed when it wants no half-open connection."""
    async with _opened() as (server, _, writer):
        writer.write(b"last")
        writer.close()
        await writer.wait_closed()
        await _rounds()
        assert server.got == [b"last"]
        assert server.happened == ["eof", "lost"]
        assert server.transport.is_closing()
        server.transport.write(b"nobody hears it")


async def test_end_of_the_server_is_the_readers_end() -> None:
    """A reader gets what was sent, then the end of the stream."""
    async with _opened() as (server, reader, _):
        server.transport.write(b"bye")
        server.transport.close()
        assert await reader.read() == b"bye"
        await _rounds()
        assert server.happened == ["lost"]


async def test_a_slow_server_makes_the_writer_wait() -> None:
    """`drain` returns once a server that paused takes what is waiting."""
    async with _opened() as (server, _, writer):
        server.transport.pause_reading()
        writer.write(b"x" * (pipe.HIGH_WATER_BYTES + 1))
        assert writer.transport.get_write_buffer_size() == pipe.HIGH_WATER_BYTES + 1
        waiting = asyncio.create_task(writer.drain())
        await _rounds()
        assert not waiting.done()
        assert server.got == []
        server.transport.resume_reading()
        await asyncio.wait_for(waiting, 10)
        assert sum(map(len, server.got)) == pipe.HIGH_WATER_BYTES + 1
        assert writer.transport.get_write_buffer_size() == 0


async def test_a_slow_reader_makes_the_server_wait() -> None:
    """The server is told to pause when a stream's buffer is full, and to go on when it is read."""
    async with _opened(buffer_bytes=10) as (server, reader, _):
        for _round in range(3):
            server.transport.write(b"y" * pipe.HIGH_WATER_BYTES)
            await _rounds()
        assert server.happened == ["pause"]
        assert len(await reader.readexactly(3 * pipe.HIGH_WATER_BYTES)) == 3 * pipe.HIGH_WATER_BYTES
        assert server.happened == ["pause", "resume"]


async def test_a_writer_that_waits_hears_of_the_end() -> None:
    """Waiting for a server that goes away is an error, as with a socket."""
    async with _opened() as (server, _, writer):
        server.transport.pause_reading()
        writer.write(b"x" * (pipe.HIGH_WATER_BYTES + 1))
        waiting = asyncio.create_task(writer.drain())
        await _rounds()
        writer.transport.abort()
        await asyncio.wait_for(waiting, 10)
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        assert "lost" not in server.happened
        server.transport.resume_reading()
        await _rounds()
        assert server.happened == ["eof", "lost"]
