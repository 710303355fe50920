"""How an exec or attach over SPDY ends when the runtime dies: with a Status that the runtime cannot send any more.

Clients take an error stream without a word for success (client-go tools/remotecommand/errorstream.go, 1.36), so bytes
passed on unread would tell of a command that ended well. The frames are read on their way, and a connection that ends
before the error stream had a word gets the Status that `channels` gives to clients of WebSocket.
"""

from __future__ import annotations

import contextlib

import orjson

from podsysctl.apiserver.streaming import channels
from podsysctl.apiserver.streaming import spdy_frames as frames
from podsysctl.base.rawhttp import Connection

PROTOCOLS = (channels.V4, channels.V5)
"""With these a runtime says Success as well; before, saying nothing meant it."""


class WithLastWords:
    """The connection to a node, as the client's: `write` takes the client's frames, `read` gives the node's."""

    def __init__(self, node: Connection) -> None:
        self._node = node
        self._from_client = frames.Decoder()
        self._from_node = frames.Decoder()
        self._held = b""
        """The beginning of a frame: after half a frame the client could not read another."""
        self._error_stream = 0
        self._told = False

    async def read(self) -> bytes:
        """Whole frames; the Status at the end if the node has told none."""
        while received := await self._node.read():
            self._held += received
            for frame in self._from_node.feed(received):
                if frame.kind == 0 and frame.stream_id == self._error_stream and frame.data:
                    self._told = True
            whole = len(self._held) - self._from_node.incomplete_bytes
            out, self._held = self._held[:whole], self._held[whole:]
            if out:
                return out
        if self._told or not self._error_stream:
            return b""
        self._told = True
        said = orjson.dumps(channels.lost().to_dict())
        return b"".join(frames.data(self._error_stream, said, last=True))

    async def write(self, data: bytes) -> None:
        """Pass the client's frames on. A node that takes no more has ended, which is `read`'s to tell."""
        for frame in self._from_client.feed(data):
            if frame.kind in (frames.SYN_STREAM, frames.SYN_REPLY, frames.HEADERS):
                headers = self._from_client.headers(frame)
                if frame.kind == frames.SYN_STREAM and headers.get("streamtype") == "error":
                    self._error_stream = frame.stream_id
        with contextlib.suppress(ConnectionError):
            await self._node.write(data)

    async def close(self) -> None:
        """End the connection."""
        await self._node.close()
