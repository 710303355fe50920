"""A connection in memory: two ends of a byte stream inside one process, for a client and a server on one loop.

Each end is an asyncio transport, so that whatever speaks a protocol over a socket speaks it over this, with flow
control: a reader that pauses makes the writer's `drain` wait. Nothing is sent through the kernel and nothing is
encrypted, since nobody else can listen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

HIGH_WATER_BYTES = 256 * 1024
"""Bytes on their way after which the writing side is asked to wait; it goes on when a quarter of it is left."""


class PipeTransport(asyncio.Transport):
    """One end. What is written arrives at the other end's protocol in the loop's next round, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, extra: Mapping[str, Any]) -> None:
        super().__init__(dict(extra))
        self._loop = loop
        self._peer: PipeTransport = self
        self._protocol: asyncio.BaseProtocol | None = None
        self._arrived: list[bytes] = []
        self._size = 0
        self._reading = True
        self._is_due = False
        self._ends = False
        self._peer_waits = False
        self._closing = False
        self._lost = False

    # What this end writes.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send to the other end; after `close`, or when the other end is gone, it is dropped as a socket drops it."""
        if data and not self._closing:
            self._peer._arrive(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send the parts one after the other."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Tell the other end that nothing more comes."""
        self._peer._arrive_end()

    def can_write_eof(self) -> bool:
        """As a TCP connection can."""
        return True

    def get_write_buffer_size(self) -> int:
        """Bytes that the other end has not taken yet."""
        return self._peer._size

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The bound is the same for every connection."""

    # What this end reads.

    def is_reading(self) -> bool:
        """Whether the protocol wants data."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Hold back what arrives from now on."""
        self._reading = False

    def resume_reading(self) -> None:
        """Hand over what was held back."""
        self._reading = True
        self._schedule()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets the data."""
        assert self._protocol is not None, "the end is connected"
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the data to another protocol."""
        self._protocol = protocol

    # The end of the connection.

    def is_closing(self) -> bool:
        """Whether this end was closed, or has lost the other."""
        return self._closing

    def close(self) -> None:
        """End the connection; what was written arrives."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._lose)
            self._peer._arrive_end()

    def abort(self) -> None:
        """The same; nothing waits to be sent on this side."""
        self.close()

    def _arrive(self, data: bytes) -> None:
        if self._closing:
            return
        self._arrived.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER_BYTES and not self._peer_waits:
            self._peer_waits = True
            self._peer.get_protocol().pause_writing()
        self._schedule()

    def _arrive_end(self) -> None:
        self._ends = True
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_due = False
        if self._closing or not self._reading:
            return
        protocol = self.get_protocol()
        assert isinstance(protocol, asyncio.Protocol), "asyncio's and aiohttp's protocols are"
        if self._arrived:
            data = self._arrived[0] if len(self._arrived) == 1 else b"".join(self._arrived)
            self._arrived.clear()
            self._size = 0
            if self._peer_waits:
                self._peer_waits = False
                if not self._peer._lost:
                    self._peer.get_protocol().resume_writing()
            protocol.data_received(data)
        if self._ends and not self._arrived and not self._closing and not protocol.eof_received():
            self.close()

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self._arrived.clear()
            self.get_protocol().connection_lost(None)


def open_streams(
    server: Callable[[], asyncio.BaseProtocol], server_sees: Mapping[str, Any], buffer_bytes: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The client's streams of a new connection to a protocol that `server` makes.

    `server_sees` is what the server's end answers to `get_extra_info`; the reader pauses at twice `buffer_bytes`.
    """
    loop = asyncio.get_running_loop()
    near, far = PipeTransport(loop, {}), PipeTransport(loop, server_sees)
    near._peer, far._peer = far, near
    reader = asyncio.StreamReader(buffer_bytes, loop)
    client = asyncio.StreamReaderProtocol(reader, loop=loop)
    for transport, protocol in ((near, client), (far, server())):
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
    return reader, asyncio.StreamWriter(near, client, reader, loop)
