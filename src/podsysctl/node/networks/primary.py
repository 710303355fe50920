"""What the primary interface of a sandbox has, read in its network namespace: CRI tells addresses and no more."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
from dataclasses import dataclass, field
from pathlib import Path

from podsysctl.kernel import namespaces
from podsysctl.kernel.namespaces import Namespaces

_SIOCGIFADDR, _SIOCGIFNETMASK, _SIOCGIFHWADDR = 0x8915, 0x891B, 0x8927
"""linux/sockios.h"""


@dataclass(frozen=True, slots=True)
class Primary:
    """Hardware address, and prefix length by address. Empty when the interface is not there."""

    mac: str = ""
    lengths: dict[str, int] = field(default_factory=dict)


def read(netns: str, interface: str = "eth0") -> Primary:
    """Read it on a short-lived thread. Raises KernelError when the namespace cannot be entered."""
    return namespaces.run_in(Namespaces.of_netns(netns), lambda: _read(interface))


def _read(interface: str) -> Primary:
    lengths = _lengths6(interface)
    request = interface.encode().ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        try:
            mac = fcntl.ioctl(channel, _SIOCGIFHWADDR, request)[18:24].hex(":")
        except OSError:
            return Primary()
        try:
            address = socket.inet_ntoa(fcntl.ioctl(channel, _SIOCGIFADDR, request)[20:24])
            mask = fcntl.ioctl(channel, _SIOCGIFNETMASK, request)[20:24]
            lengths[address] = int.from_bytes(mask, "big").bit_count()
        except OSError:
            pass  # no IPv4 address
    return Primary(mac, lengths)


def _lengths6(interface: str) -> dict[str, int]:
    """From /proc/net/if_inet6: address, index, prefix length, scope, flags, name; numbers in hexadecimal."""
    path = Path("/proc/thread-self/net/if_inet6")
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return {str(ipaddress.IPv6Address(int(row[0], 16))): int(row[2], 16) for row in rows if row[5] == interface}
