"""The annotation `k8s.v1.cni.cncf.io/network-status`: what each interface of a pod got. Pure.

Source: network-attachment-definition-client pkg/utils/net-attach-def.go, v1 types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podsysctl.node.networks import primary

ANNOTATION = "k8s.v1.cni.cncf.io/network-status"


@dataclass(frozen=True, slots=True)
class Entry:
    """One interface. `prefixes` are addresses with their length, as events show them."""

    name: str
    interface: str
    prefixes: tuple[str, ...]
    mac: str
    default: bool
    dns: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The members in upstream's order; empty ones are left out, dns never."""
        out: dict[str, Any] = {"name": self.name, "interface": self.interface}
        addresses = [prefix.partition("/")[0] for prefix in self.prefixes]
        out |= {key: value for key, value in (("ips", addresses), ("mac", self.mac)) if value}
        if self.default:
            out["default"] = True
        return {**out, "dns": {key: value for key, value in self.dns.items() if value}}


def of_attachment(label: str, interface: str, result: Mapping[str, Any]) -> Entry:
    """The entry of an additional network, from the result of its last plugin."""
    mac = ""
    for item in _objects(result.get("interfaces")):
        if item.get("name") == interface and item.get("sandbox"):
            mac = str(item.get("mac") or "")
    prefixes = [str(ip.get("address") or "") for ip in _objects(result.get("ips"))]
    prefixes += [str(ip.get("ip") or "") for ip in _objects([result.get("ip4"), result.get("ip6")])]
    dns = result.get("dns")
    return Entry(label, interface, tuple(prefixes), mac, False, dns if isinstance(dns, dict) else {})


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; a plugin of any maker may have put something else there."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def of_default(addresses: Sequence[str], own: primary.Primary, name: str) -> Entry:
    """The entry of the runtime's own network: the addresses it tells, with what the interface itself says."""
    prefixes = tuple(f"{ip}/{own.lengths[ip]}" if ip in own.lengths else ip for ip in addresses if ip)
    return Entry(name, "eth0", prefixes, own.mac, True, {})


def to_text(entries: Sequence[Entry]) -> str:
    """The annotation's value: objects of four blanks' indent, joined with a comma, as upstream writes them."""
    return "[" + ",".join([json.dumps(entry.to_dict(), indent=4) for entry in entries]) + "]"
