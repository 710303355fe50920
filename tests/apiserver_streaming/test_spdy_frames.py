from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.apiserver.streaming import spdy_frames as frames
from podsysctl.apiserver.streaming.spdy_frames import Decoder, Encoder, Frame


def test_dictionary_is_the_protocols() -> None:
    """The peer refuses another one by this checksum."""
    assert len(frames.DICTIONARY) == 1423
    assert zlib.adler32(frames.DICTIONARY) == 0xE3C6A7C2


def test_syn_stream_is_laid_out_as_the_protocol_says() -> None:
    """Version 3, type 1, then stream id, no associated stream, priority and slot 0."""
    made = Encoder().syn_stream(5, {"streamType": "error"})
    assert made[:18] == b"\x80\x03\x00\x01\x00" + (len(made) - 8).to_bytes(3, "big") + b"\0\0\0\x05" + bytes(6)
    [frame] = Decoder().feed(made)
    assert (frame.kind, frame.stream_id) == (frames.SYN_STREAM, 5)


@given(blocks=st.lists(st.dictionaries(st.text("abc-", min_size=1), st.text()), max_size=5), cut=st.integers(1, 50))
def test_headers_decoded_in_order_are_those_encoded(blocks: list[dict[str, str]], cut: int) -> None:
    """Header blocks share one compression state, however their bytes arrive."""
    encoder, decoder = Encoder(), Decoder()
    wire = b"".join(encoder.syn_stream(2 * n + 1, block) for n, block in enumerate(blocks))
    got = [f for at in range(0, len(wire), cut) for f in list(decoder.feed(wire[at : at + cut]))]
    reader = Decoder()
    assert [reader.headers(frame) for frame in got] == blocks


@given(payload=st.binary(max_size=100_000), last=st.booleans())
def test_data_in_any_size_comes_back_whole(payload: bytes, last: bool) -> None:
    """Long payloads are cut into frames, and only the last one ends the stream."""
    wire = b"".join(frames.data(7, payload, last=last))
    got = list(Decoder().feed(wire))
    assert b"".join(f.data for f in got) == payload
    assert [f.is_last for f in got] == [False] * (len(got) - 1) + [last]
    assert all(len(f.data) <= frames.LONGEST_DATA_BYTES for f in got)


def test_control_frames_come_back() -> None:
    """Ping, reset and goaway."""
    wire = frames.ping(3) + frames.rst_stream(9, 5) + frames.goaway(0)
    assert list(Decoder().feed(wire)) == [
        Frame(frames.PING, 3),
        Frame(frames.RST_STREAM, 9, 0, b"\0\0\0\x05"),
        Frame(frames.GOAWAY, 0, 0, bytes(8)),
    ]


@pytest.mark.parametrize("wire", [b"\x80\x02\0\x01\0\0\0\0", b"\x80\x03\0\x01\0\0\0\x01x"])
def test_bytes_of_another_version_or_cut_short_are_refused(wire: bytes) -> None:
    """Rather than guessed at."""
    with pytest.raises(ValueError, match="SPDY"):
        list(Decoder().feed(wire))


def test_frame_of_an_unknown_type_is_passed_over() -> None:
    """As the protocol asks."""
    assert list(Decoder().feed(b"\x80\x03\0\x63\0\0\0\x02ab" + frames.ping(1))) == [Frame(frames.PING, 1)]


def test_header_block_that_is_no_compressed_block_is_refused() -> None:
    """A broken peer ends its connection, not the server."""
    with pytest.raises(ValueError, match="cannot be read"):
        Decoder().headers(Frame(frames.SYN_REPLY, 1, 0, b"garbage"))
