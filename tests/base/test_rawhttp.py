"""Connections below HTTP, and that they end."""

from __future__ import annotations

import asyncio

from podsysctl.base import rawhttp

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"


class _Silence:
    """A client that says one thing, and then nothing."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    async def read(self) -> bytes:
        said, self._said = self._said, b""
        if not said:
            await asyncio.Event().wait()
        return said

    async def write(self, data: bytes) -> None:
        """Not listened to."""

    async def close(self) -> None:
        """Nothing to end."""


async def test_relay_that_ends_lets_go_of_a_server_that_takes_nothing() -> None:
    """A runtime may stop reading for good: what was not sent to it must not keep the connection for ever."""
    over, broken = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(SWITCHED)
        await over.wait()
        while not writer.transport.is_closing():  # only writing shows that the other end is gone
            writer.write(b"x")
            await asyncio.sleep(0.01)
        broken.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await rawhttp.dial(f"http://127.0.0.1:{port}/", "POST", [])
        assert answer.connection is not None
        much = b"y" * (32 * 1024 * 1024)  # more than the kernel keeps for a connection
        await rawhttp.relay(_Silence(much), answer.connection, idle_timeout_s=0.1)
        over.set()
        async with asyncio.timeout(10):
            await broken.wait()


