"""The client's side of WebSocket (RFC 6455) on a connection that was upgraded."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import struct
from dataclasses import dataclass

from podsysctl.base import limits
from podsysctl.client.http1 import BrokenAnswerError, Upgraded

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_FINAL, _MASKED = 0x80, 0x80
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message; `kind` is TEXT or BINARY."""

    kind: int
    data: bytes


def handshake(protocols: tuple[str, ...]) -> tuple[str, list[tuple[str, str]]]:
    """A fresh key, and the headers that ask for the upgrade."""
    key = base64.b64encode(os.urandom(16)).decode()
    return key, [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Protocol", ", ".join(protocols)),
    ]


class WebSocket:
    """An open WebSocket: iterate for messages until the other side closes. Not for several readers.

    Raises BrokenAnswerError when the server's handshake is wrong.
    """

    def __init__(self, upgraded: Upgraded, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()).decode()
        if upgraded.headers.get("sec-websocket-accept") != accept:
            upgraded.writer.transport.abort()
            raise BrokenAnswerError("the server's WebSocket handshake is wrong")
        self.protocol = upgraded.headers.get("sec-websocket-protocol")
        self._reader = upgraded.reader
        self._writer = upgraded.writer
        self.closed = False

    def __aiter__(self) -> WebSocket:
        return self

    async def __anext__(self) -> Message:
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    async def receive(self) -> Message | None:
        """The next message; None when the other side has closed. Raises BrokenAnswerError."""
        kind, parts, size = 0, [], 0
        while True:
            opcode, is_final, data = await self._frame()
            if opcode == PING:
                await self._send(PONG, data)
            elif opcode == CLOSE:
                await self._answer_close(data)
                return None
            elif opcode != PONG:
                kind = kind or opcode
                parts.append(data)
                size += len(data)
                if size > limits.STREAM_MESSAGE_BYTES:
                    raise BrokenAnswerError(f"a message is longer than {limits.STREAM_MESSAGE_BYTES} bytes")
                if is_final:
                    return Message(kind, parts[0] if len(parts) == 1 else b"".join(parts))

    async def send(self, data: bytes) -> None:
        """Send a binary message; waits while too much is on its way. Raises ConnectionError."""
        await self._send(BINARY, data)

    async def close(self) -> None:
        """Say goodbye and end the connection; a peer that does not answer is not waited for."""
        if not self.closed:
            self.closed = True
            with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await self._write(CLOSE, struct.pack(">H", 1000))
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.transport.abort()

    async def _answer_close(self, data: bytes) -> None:
        self.closed = True
        with contextlib.suppress(OSError):
            await self._write(CLOSE, data[:2])

    async def _frame(self) -> tuple[int, bool, bytes]:
        try:
            first, second = await self._first_two()
            size = second & 0x7F
            async with asyncio.timeout(limits.REQUEST_TIMEOUT_S):
                if size == 126:
                    (size,) = struct.unpack(">H", await self._reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack(">Q", await self._reader.readexactly(8))
                if second & _MASKED or size > limits.STREAM_MESSAGE_BYTES:
                    raise BrokenAnswerError("the server sent a frame that is masked or too long")
                return first & 0x0F, bool(first & _FINAL), await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise BrokenAnswerError("the connection ended without a close") from error
        except TimeoutError as error:
            raise BrokenAnswerError("the server stopped in the middle of a frame") from error

    async def _first_two(self) -> bytes:
        """The start of a frame. Silence is asked about with a ping, and ends the connection when it goes on."""
        for _ in range(2):
            try:
                async with asyncio.timeout(limits.STREAM_HEARTBEAT_S):
                    return await self._reader.readexactly(2)
            except TimeoutError:
                await self._send(PING, b"")
        raise BrokenAnswerError("the server does not answer pings")

    async def _send(self, opcode: int, data: bytes) -> None:
        if self.closed:
            raise ConnectionResetError("the WebSocket is closed")
        await self._write(opcode, data)

    async def _write(self, opcode: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", _FINAL | opcode, _MASKED | size)
        elif size < 65536:
            head = struct.pack(">BBH", _FINAL | opcode, _MASKED | 126, size)
        else:
            head = struct.pack(">BBQ", _FINAL | opcode, _MASKED | 127, size)
        mask = os.urandom(4)
        self._writer.write(head + mask + _mask(data, mask))
        await self._writer.drain()


def _mask(data: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask, as one large number."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
