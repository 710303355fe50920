from __future__ import annotations

import json

import pytest

from podsysctl.apiserver.streaming import spdy_frames as frames
from podsysctl.apiserver.streaming.last_words import WithLastWords

ERROR_STREAM, STDOUT_STREAM = 1, 3


class Node:
    """A node that sends pieces and ends, and that may take nothing any more."""

    def __init__(self, *pieces: bytes, gone: bool = False) -> None:
        self.pieces = list(pieces)
        self.gone = gone
        self.taken = b""
        self.closed = False

    async def read(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, data: bytes) -> None:
        if self.gone:
            raise ConnectionResetError("gone")
        self.taken += data

    async def close(self) -> None:
        self.closed = True


def _opened() -> bytes:
    """A client's first frames: the error stream and stdout."""
    encoder = frames.Encoder()
    pairs = ((ERROR_STREAM, "error"), (STDOUT_STREAM, "stdout"))
    return b"".join(encoder.syn_stream(number, {"streamType": kind}) for number, kind in pairs)


def _data(stream: int, payload: bytes) -> bytes:
    return b"".join(frames.data(stream, payload))


async def _received(node: Node) -> bytes:
    """All that the client of a session gets."""
    connection = WithLastWords(node)
    await connection.write(_opened())
    out = b""
    while piece := await connection.read():
        out += piece
    return out


@pytest.mark.parametrize("gone", [False, True], ids=["silent", "taking nothing"])
async def test_node_that_ends_without_a_status_is_given_one(gone: bool) -> None:
    """On the error stream, after all that it sent."""
    shown = list(frames.Decoder().feed(await _received(Node(_data(STDOUT_STREAM, b"start\n"), gone=gone))))
    assert [(f.stream_id, f.is_last) for f in shown] == [(STDOUT_STREAM, False), (ERROR_STREAM, True)]
    said = json.loads(shown[-1].data)
    assert (said["kind"], said["status"], said["reason"]) == ("Status", "Failure", "InternalError")


@pytest.mark.parametrize("cut", [1, 7, 8, 20])
async def test_half_a_frame_before_the_end_does_not_hide_the_status(cut: int) -> None:
    """What the client could not read is left out."""
    whole, half = _data(STDOUT_STREAM, b"whole"), _data(STDOUT_STREAM, b"never to be ended")[:cut]
    shown = list(frames.Decoder().feed(await _received(Node(whole + half))))
    assert [(f.stream_id, bool(f.data)) for f in shown] == [(STDOUT_STREAM, True), (ERROR_STREAM, True)]


@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_session_with_a_status_passes_unchanged(size: int) -> None:
    """Whatever the pieces are in which it comes."""
    wire = _data(STDOUT_STREAM, b"out" * 100) + _data(ERROR_STREAM, b'{"status":"Success"}') + frames.goaway(0)
    assert await _received(Node(*(wire[at : at + size] for at in range(0, len(wire), size)))) == wire


async def test_clients_frames_reach_the_node_unchanged_and_closing_does() -> None:
    """Only the other direction is ever added to."""
    node = Node()
    connection = WithLastWords(node)
    await connection.write(_opened()[:5])
    await connection.write(_opened()[5:])
    await connection.close()
    assert (node.taken, node.closed) == (_opened(), True)


async def test_connection_that_ends_before_its_error_stream_just_ends() -> None:
    """There is nothing to say it on."""
    assert await WithLastWords(Node()).read() == b""
