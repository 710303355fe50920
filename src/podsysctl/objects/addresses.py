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


def is_dual_stack(addresses: list[str]) -> bool:
    """Whether there is at least one address of each family."""
    families = {parsed.version for text in addresses if (parsed := parse_address(text)) is not None}
    return families == {4, 6}
