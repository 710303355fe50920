"""How IP addresses are read in the API: strictly, with texts for what older servers let pass."""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> Address | None:
    """The address, or None. Zones are not part of an address here."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def address_errors(text: str) -> list[str]:
    """Upstream's sentences for an address that is not acceptable (util/validation/ip.go)."""
    address = parse_address(text)
    if address is None:
        if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", text) and parse_address(_strip_zeros(text)) is not None:
            return ["must not have leading 0s"]
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return ["must not be an IPv4-mapped IPv6 address"]
    return []


def _strip_zeros(text: str) -> str:
    return ".".join(str(int(part)) for part in text.split("."))


def range_family(text: str) -> int | None:
    """4 or 6 for an address range, read as leniently as older servers did; None for what is none."""
    address, slash, bits = text.partition("/")
    if not slash or not bits.isdecimal() or not bits.isascii():
        return None
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", address):
        address = _strip_zeros(address)
    parsed = parse_address(address)
    return parsed.version if parsed is not None and int(bits) <= parsed.max_prefixlen else None


def range_errors(text: str) -> list[str]:
    """Upstream's sentences for an address range that is not acceptable."""
    if range_family(text) is None:
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    address, _, bits = text.partition("/")
    parsed = parse_address(address)
    if parsed is None or str(int(bits)) != bits:
        return ["must not have leading 0s in IP or prefix length"]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return ["must not have an IPv4-mapped IPv6 address"]
    if int(parsed) & ((1 << parsed.max_prefixlen - int(bits)) - 1):
        return ["must not have bits set beyond the prefix length"]
    return []


def is_dual_stack(addresses: list[str]) -> bool:
    """Whether there is at least one address of each family."""
    families = {parsed.version for text in addresses if (parsed := parse_address(text)) is not None}
    return families == {4, 6}
