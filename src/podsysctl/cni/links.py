"""Attributes of one network interface, over rtnetlink, in the caller's network namespace.

The messages are those that upstream's library sends, so the kernel's answers are the same. Nothing is imported but the
bare socket module.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ORDER = sys.byteorder
_NEWLINK, _GETLINK, _SETLINK, _ERROR = 16, 18, 19, 2
_REQUEST, _ACK = 1, 4
_ADDRESS, _NAME, _MTU, _QUEUE, _MASK = 1, 3, 4, 13, 29
PROMISC, ALLMULTI = 0x100, 0x200
_ENODEV = 19


class LinkNotFoundError(OSError):
    """There is no interface of this name; upstream's words."""


class Link:
    """What an interface has: index, hardware address, MTU, flags and length of its transmit queue."""

    __slots__ = ("address", "flags", "index", "mtu", "queue")

    def __init__(self, index: int, flags: int) -> None:
        self.index = index
        self.flags = flags
        self.address = b""
        self.mtu = 0
        self.queue = 0

    @property
    def mac(self) -> str:
        """The hardware address as Go prints it."""
        return self.address.hex(":")

    @property
    def promisc(self) -> int:
        """1 when it takes packets for others."""
        return 1 if self.flags & PROMISC else 0

    @property
    def allmulti(self) -> bool:
        """Whether it takes every multicast packet."""
        return bool(self.flags & ALLMULTI)


def find(name: str) -> Link:
    """The interface of this name. Raises OSError, LinkNotFoundError."""
    body = bytes(16) + _attribute(_MASK, _number(1)) + _attribute(_NAME, os.fsencode(name) + b"\0")
    try:
        answer = _talk(_GETLINK, body)
    except OSError as error:
        if error.errno == _ENODEV:
            raise LinkNotFoundError(_ENODEV, "Link not found") from error
        raise
    link = Link(int.from_bytes(answer[4:8], _ORDER, signed=True), int.from_bytes(answer[8:12], _ORDER))
    at = 16
    while at + 4 <= len(answer):
        size = int.from_bytes(answer[at : at + 2], _ORDER)
        kind = int.from_bytes(answer[at + 2 : at + 4], _ORDER)
        value = answer[at + 4 : at + size]
        if kind == _ADDRESS:
            link.address = value
        elif kind == _MTU:
            link.mtu = int.from_bytes(value, _ORDER)
        elif kind == _QUEUE:
            link.queue = int.from_bytes(value, _ORDER)
        at += max(4, size + 3 & ~3)
    return link


def set_mac(link: Link, address: bytes) -> None:
    """Change the hardware address. Raises OSError."""
    _talk(_SETLINK, _header(link) + _attribute(_ADDRESS, address))


def set_mtu(link: Link, mtu: int) -> None:
    """Change the MTU; what does not fit 32 bits is cut, as upstream does. Raises OSError."""
    _talk(_SETLINK, _header(link) + _attribute(_MTU, _number(mtu)))


def set_queue(link: Link, length: int) -> None:
    """Change the length of the transmit queue. Raises OSError."""
    _talk(_SETLINK, _header(link) + _attribute(_QUEUE, _number(length)))


def set_flag(link: Link, flag: int, *, on: bool) -> None:
    """Change PROMISC or ALLMULTI. Raises OSError."""
    _talk(_SETLINK if flag == PROMISC else _NEWLINK, _header(link, flag if on else 0, flag))


def parse_mac(text: str) -> bytes:
    """A hardware address of 6, 8 or 20 bytes, with colons, hyphens or dots (Go's net.ParseMAC). Raises ValueError."""
    if len(text) > 4 and text[4] == ".":
        groups, width = text.split("."), 4
    else:
        groups, width = text.split(text[2] if len(text) > 2 and text[2] in ":-" else ":"), 2
    digits = "".join(groups)
    if (
        any(len(group) != width for group in groups)
        or len(digits) not in (12, 16, 40)
        or not all(character in "0123456789abcdefABCDEF" for character in digits)
    ):
        raise ValueError(f"address {text}: invalid MAC address")
    return bytes.fromhex(digits)


def _header(link: Link, flags: int = 0, change: int = 0) -> bytes:
    return bytes(4) + link.index.to_bytes(4, _ORDER, signed=True) + _number(flags) + _number(change)


def _number(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, _ORDER)


def _attribute(kind: int, value: bytes) -> bytes:
    size = len(value) + 4
    return size.to_bytes(2, _ORDER) + kind.to_bytes(2, _ORDER) + value + bytes(-size % 4)


def _talk(kind: int, body: bytes) -> bytes:
    """Send one request and return the body of its answer, empty for a mere acknowledgement. Raises OSError."""
    import _socket

    message = (len(body) + 16).to_bytes(4, _ORDER) + kind.to_bytes(2, _ORDER)
    message += (_REQUEST | _ACK).to_bytes(2, _ORDER) + (1).to_bytes(4, _ORDER) + bytes(4) + body
    channel: Any = _socket.socket(16, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, 0)  # AF_NETLINK, NETLINK_ROUTE
    try:
        channel.settimeout(10)
        channel.bind((0, 0))
        channel.send(message)
        answer = b""
        while True:
            data = channel.recv(65536)
            while len(data) >= 16:
                size = int.from_bytes(data[:4], _ORDER)
                content = data[16:size]
                if int.from_bytes(data[4:6], _ORDER) == _ERROR:
                    number = -int.from_bytes(content[:4], _ORDER, signed=True)
                    if number:
                        raise OSError(number, os.strerror(number))
                    return answer
                answer = content
                data = data[size + 3 & ~3 :]
    finally:
        channel.close()
