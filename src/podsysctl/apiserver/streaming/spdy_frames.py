"""SPDY/3.1 frames, as bytes and as values: what Kubernetes' streaming still speaks between its components.

Format: the SPDY protocol, draft 3.1 (www.chromium.org/spdy/spdy-protocol). Only the frames that appear on a
streaming connection are known; a frame of another type is passed over. Pure.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FLAG_FIN = 1
LONGEST_DATA_BYTES = 32 * 1024
"""Data sent in one frame; a frame could carry 16 MiB, and upstream's senders stay at this."""

_CONTROL = 0x80000000
_ID_MASK = 0x7FFFFFFF
_LENGTH_MASK = 0xFFFFFF
_HEAD = struct.Struct(">IBBH")
_WORD = struct.Struct(">I")

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age "
    "allow authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = [*_WORDS.split(), "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"]
    return b"".join(_WORD.pack(len(word)) + word.encode() for word in words) + _TEXT.encode()


DICTIONARY = _dictionary()
"""Preset of every header block's compression (section 2.6.10.1); its Adler-32 is 0xE3C6A7C2."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `kind` is 0 for data. `stream_id` is the ping's id for PING and 0 for GOAWAY."""

    kind: int
    stream_id: int
    flags: int = 0
    data: bytes = b""

    @property
    def is_last(self) -> bool:
        """Whether the sender sends no more on this stream."""
        return bool(self.flags & FLAG_FIN)


class Encoder:
    """Makes frames. Header blocks share one compression state, so their order on the wire is that of the calls."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(zdict=DICTIONARY)

    def syn_stream(self, stream_id: int, headers: Mapping[str, str]) -> bytes:
        """Open a stream."""
        return _control(SYN_STREAM, 0, struct.pack(">IIBB", stream_id, 0, 0, 0) + self._block(headers))

    def syn_reply(self, stream_id: int, headers: Mapping[str, str]) -> bytes:
        """Accept a stream that the other side opened."""
        return _control(SYN_REPLY, 0, _WORD.pack(stream_id) + self._block(headers))

    def _block(self, headers: Mapping[str, str]) -> bytes:
        raw = _WORD.pack(len(headers))
        for key, value in headers.items():
            for text in (key.lower().encode(), value.encode()):
                raw += _WORD.pack(len(text)) + text
        return self._compressor.compress(raw) + self._compressor.flush(zlib.Z_SYNC_FLUSH)


def data(stream_id: int, payload: bytes, *, last: bool = False) -> Iterator[bytes]:
    """Data frames for a payload of any length; with `last`, the sender is done on this stream."""
    pieces = [payload[at : at + LONGEST_DATA_BYTES] for at in range(0, len(payload), LONGEST_DATA_BYTES)] or [b""]
    for index, piece in enumerate(pieces):
        flags = FLAG_FIN if last and index == len(pieces) - 1 else 0
        yield struct.pack(">II", stream_id, flags << 24 | len(piece)) + piece


def rst_stream(stream_id: int, status: int) -> bytes:
    """End a stream at once; status 5 is CANCEL."""
    return _control(RST_STREAM, 0, struct.pack(">II", stream_id, status))


def ping(ping_id: int) -> bytes:
    """A ping, or the answer to one."""
    return _control(PING, 0, _WORD.pack(ping_id))


def goaway(last_stream_id: int) -> bytes:
    """No more streams; status 0 is OK."""
    return _control(GOAWAY, 0, struct.pack(">II", last_stream_id, 0))


class Decoder:
    """Takes bytes as they come and yields whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._decompressor = zlib.decompressobj(zdict=DICTIONARY)

    @property
    def incomplete_bytes(self) -> int:
        """How much was fed of a frame whose rest is still to come."""
        return len(self._buffer)

    def feed(self, received: bytes) -> Iterator[Frame]:
        """The frames that are complete now. Raises ValueError on bytes that are no SPDY/3."""
        self._buffer += received
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            end = 8 + (second & _LENGTH_MASK)
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[8:end])
            del self._buffer[:end]
            frame = _decoded(first, second >> 24, body)
            if frame is not None:
                yield frame

    def headers(self, frame: Frame) -> dict[str, str]:
        """The headers of SYN_STREAM, SYN_REPLY and HEADERS; call it for each of them, in their order.

        Raises ValueError when the block cannot be read.
        """
        block = frame.data[6:] if frame.kind == SYN_STREAM else frame.data
        try:
            raw = self._decompressor.decompress(block)
            return _pairs(raw)
        except (zlib.error, struct.error, UnicodeDecodeError) as error:
            raise ValueError(f"a SPDY header block that cannot be read: {error}") from error


def _control(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body


def _decoded(first: int, flags: int, body: bytes) -> Frame | None:
    if not first & _CONTROL:
        return Frame(0, first & _ID_MASK, flags, body)
    version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
    if version != VERSION:
        raise ValueError(f"SPDY version {version}, and it must be {VERSION}")
    if kind == GOAWAY:
        return Frame(kind, 0, flags, body)
    if kind in (SYN_STREAM, SYN_REPLY, RST_STREAM, PING, HEADERS, WINDOW_UPDATE):
        if len(body) < 4:
            raise ValueError("a SPDY frame that is cut short")
        return Frame(kind, _WORD.unpack_from(body)[0] & _ID_MASK, flags, body[4:])
    return None


def _pairs(raw: bytes) -> dict[str, str]:
    count, at, out = _WORD.unpack_from(raw)[0], 4, {}
    for _ in range(count):
        texts = []
        for _ in range(2):
            size = _WORD.unpack_from(raw, at)[0]
            texts.append(raw[at + 4 : at + 4 + size].decode())
            at += 4 + size
        out[texts[0]] = texts[1]
    return out
