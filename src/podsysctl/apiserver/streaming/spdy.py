"""A SPDY/3.1 connection to a node, with streams that we open: the client's half of exec and attach.

Flow control: neither Kubernetes' nor the runtimes' SPDY library (moby/spdystream) sends or obeys
WINDOW_UPDATE, so a window counted here would stay shut for ever. TCP's own applies: data is handed on before
more is read, and writing waits for the transport.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping

from podsysctl.apiserver.streaming import spdy_frames as frames
from podsysctl.base.errors import ConnectionFailedError
from podsysctl.base.rawhttp import Connection

STREAM_CREATION_TIMEOUT_S = 30
"""Bound on the other side's SYN_REPLY, upstream's DefaultStreamCreationTimeout."""

_CANCEL = 5


class Stream:
    """One stream that we opened."""

    def __init__(self, owner: SpdyConnection, stream_id: int) -> None:
        self._owner = owner
        self.id = stream_id
        self.replied = asyncio.Event()
        self.closed = False
        """We send no more on it."""
        self.ended = False
        """The other side sends no more on it."""
        self._waiting: deque[bytes] = deque()
        self._changed = asyncio.Event()

    async def send(self, payload: bytes) -> None:
        """Send data. Raises ConnectionError; does nothing once the stream is over."""
        if not self.closed:
            await self._owner.send(frames.data(self.id, payload))

    async def close(self) -> None:
        """Say that we send no more."""
        if not self.closed:
            self.closed = True
            await self._owner.send(frames.data(self.id, b"", last=True))

    async def received(self) -> AsyncIterator[bytes]:
        """Data as it arrives, until the other side is done with the stream or the connection ends."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
                self._changed.set()
            if self.ended:
                return
            self._changed.clear()
            await self._changed.wait()

    async def feed(self, payload: bytes) -> None:
        """Hand data to the reader, once it took what came before."""
        while self._waiting and not self.ended:
            self._changed.clear()
            await self._changed.wait()
        self._waiting.append(payload)
        self._changed.set()

    def finish(self, *, reset: bool = False) -> None:
        """The other side is done with the stream; after a reset we are, too."""
        self.ended = True
        self.closed = self.closed or reset
        self.replied.set()
        self._changed.set()


class SpdyConnection:
    """Frames over an upgraded connection. `run` must be running while streams are used."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._encoder = frames.Encoder()
        self._decoder = frames.Decoder()
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
        self._writing = asyncio.Lock()
        self.broken = ""
        """Why the connection ended, when it did not end well."""

    async def open(self, headers: Mapping[str, str]) -> Stream:
        """Open a stream and wait for the answer. Raises ConnectionFailedError."""
        stream = Stream(self, self._next_id)
        self._next_id += 2
        self._streams[stream.id] = stream
        await self.send([self._encoder.syn_stream(stream.id, headers)])
        try:
            async with asyncio.timeout(STREAM_CREATION_TIMEOUT_S):
                await stream.replied.wait()
        except TimeoutError as error:
            raise ConnectionFailedError("Timed out waiting for the stream to be accepted") from error
        return stream

    async def run(self) -> None:
        """Take frames until the connection ends; every stream has ended then."""
        try:
            while received := await self._connection.read():
                for frame in self._decoder.feed(received):
                    await self._take(frame)
        except (ConnectionError, ValueError) as error:
            self.broken = str(error)
        finally:
            for stream in self._streams.values():
                stream.finish(reset=True)

    async def send(self, pieces: Iterable[bytes]) -> None:
        """Write frames, those of one call together. Raises ConnectionError."""
        async with self._writing:
            for piece in pieces:
                await self._connection.write(piece)

    async def close(self) -> None:
        """Reset what is open and end the connection."""
        try:
            async with asyncio.timeout(1):
                resets = [frames.rst_stream(s.id, _CANCEL) for s in self._streams.values() if not s.ended]
                await self.send([*resets, frames.goaway(0)])
        except (ConnectionError, TimeoutError):
            pass  # it is gone, which is what was wanted
        await self._connection.close()

    async def _take(self, frame: frames.Frame) -> None:
        if frame.kind in (frames.SYN_STREAM, frames.SYN_REPLY, frames.HEADERS):
            self._decoder.headers(frame)  # not needed, but the next block cannot be read without it
        if frame.kind == frames.PING:
            if frame.stream_id % 2 == 0:  # ours are odd, and this is the answer to one
                await self.send([frames.ping(frame.stream_id)])
            return
        if frame.kind == frames.SYN_STREAM:
            await self.send([frames.rst_stream(frame.stream_id, 3)])  # REFUSED_STREAM: we accept none
            return
        stream = self._streams.get(frame.stream_id)
        if stream is None:
            return
        if frame.kind == frames.RST_STREAM:
            stream.finish(reset=True)
            return
        if frame.kind == frames.SYN_REPLY:
            stream.replied.set()
        if frame.kind == 0 and frame.data:
            await stream.feed(frame.data)
        if frame.kind in (0, frames.SYN_REPLY, frames.HEADERS) and frame.is_last:
            stream.finish()
