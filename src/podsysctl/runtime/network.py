"""The pod network of one machine: a bridge of our own, a private subnet that nobody else uses, its CNI file.

The bridge and its address are made once, here, and the CNI bridge plugin only adds ports: told to be the
gateway it would switch the host's forwarding on, which is the node's to decide and to put back.
For the same reason, and because each of its calls would start iptables several times, masquerading is three
rules written once and not the plugin's `ipMasq`. Firewall rules are in `firewall.py`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime import commands, firewall

NAME = "podsysctl"
CNI_VERSION = "0.4.0"
"""The newest that the plugins of Ubuntu 22.04 (0.9.1) understand; it has all that we use."""

Network4 = ipaddress.IPv4Network
Network6 = ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """The choice, which stays the same while the data directory lives. The first address is the bridge's."""

    bridge: str
    subnet4: Network4
    subnet6: Network6 | None
    mtu: int

    @property
    def subnets(self) -> tuple[Network4 | Network6, ...]:
        """Subnets that pods get an address of, IPv4 first."""
        return (self.subnet4,) if self.subnet6 is None else (self.subnet4, self.subnet6)

    def to_json(self) -> str:
        """The form that `from_json` reads."""
        subnet6 = str(self.subnet6) if self.subnet6 else None
        return json.dumps({"bridge": self.bridge, "subnet4": str(self.subnet4), "subnet6": subnet6, "mtu": self.mtu})

    @classmethod
    def from_json(cls, text: str) -> PodNetwork:
        """Rebuild a saved choice. Raises PodsysctlError when the text is not one."""
        try:
            saved = json.loads(text)
            subnet6 = Network6(saved["subnet6"]) if saved["subnet6"] else None
            return cls(saved["bridge"], Network4(saved["subnet4"]), subnet6, int(saved["mtu"]))
        except (ValueError, KeyError, TypeError) as error:
            raise PodsysctlError(f"the saved pod network cannot be read: {error}") from error


def choose(identity: str, used: Sequence[Network4], *, ipv6: bool, mtu: int) -> PodNetwork:
    """Pick names and subnets for a data directory.

    `identity` makes the choice of two directories differ, `used` are the host's networks. Raises
    PodsysctlError when every candidate overlaps one of them.
    """
    digest = hashlib.sha256(identity.encode()).digest()
    bridge = f"psctl{digest[:4].hex()}"
    busy = [network for network in used if network.prefixlen > 0]
    for candidate in _candidates(int.from_bytes(digest[4:8], "big")):
        if not any(candidate.overlaps(network) for network in busy):
            # RFC 4193: fd, then 40 bits at random, here from the identity; subnet 0.
            subnet6 = Network6((b"\xfd" + digest[8:13] + bytes(10), 64)) if ipv6 else None
            return PodNetwork(bridge, candidate, subnet6, mtu)
    raise PodsysctlError(
        "every private IPv4 subnet this program could use for pods overlaps a network of this host",
        hint="free one /20 in 10.0.0.0/8, 172.16.0.0/12 or 100.64.0.0/10",
    )


def _candidates(seed: int) -> Iterator[Network4]:
    pools = (Network4("10.64.0.0/10"), Network4("10.128.0.0/10"), Network4("172.16.0.0/12"), Network4("100.64.0.0/10"))
    for pool in pools:
        count = 2 ** (20 - pool.prefixlen)
        for step in range(count):
            base = int(pool.network_address) + ((seed + step) % count << 12)
            yield Network4((base, 20))


def host_networks(route: str, fib_trie: str) -> list[Network4]:
    """The host's IPv4 networks, from the texts of /proc/net/route and /proc/net/fib_trie (proc_net(5))."""
    out = []
    for line in route.splitlines()[1:]:
        columns = line.split()
        if len(columns) > 7:
            address, mask = (int.from_bytes(bytes.fromhex(columns[i]), "little") for i in (1, 7))
            out.append(Network4((address & mask, mask.bit_count())))
    previous = ""
    for line in fib_trie.splitlines():
        if "host LOCAL" in line:
            out.append(Network4(previous))
        previous = line.replace("|--", "").strip() if "|--" in line else previous
    return out


def host_has_ipv6(proc: Path = Path("/proc")) -> bool:
    """Whether an interface other than the loopback has an IPv6 address."""
    path = proc / "net/if_inet6"
    return path.exists() and any(line.split()[-1] != "lo" for line in path.read_text().splitlines())


def host_routes_ipv6(proc: Path = Path("/proc")) -> bool:
    """Whether the host forwards IPv6 and has somewhere to: only then may pods have a default route for it."""
    forwarding = proc / "sys/net/ipv6/conf/all/forwarding"
    routes = proc / "net/ipv6_route"
    if not forwarding.exists() or forwarding.read_text().strip() != "1" or not routes.exists():
        return False
    default = "0" * 32 + " 00 "
    return any(line.startswith(default) and line.split()[-1] != "lo" for line in routes.read_text().splitlines())


def uplink_mtu(route: str, sys: Path = Path("/sys")) -> int:
    """The MTU of the interface of the default route, 1500 when there is none."""
    for line in route.splitlines()[1:]:
        columns = line.split()
        if len(columns) > 7 and columns[1] == columns[7] == "00000000":
            return int((sys / "class/net" / columns[0] / "mtu").read_text())
    return 1500


def link_exists(name: str) -> bool:
    """Whether the host has a link of this name."""
    return Path("/sys/class/net", name).exists()


def choose_for_host(identity: str) -> PodNetwork:
    """`choose` with what this host has at this moment."""
    route = Path("/proc/net/route").read_text()
    used = host_networks(route, Path("/proc/net/fib_trie").read_text())
    return choose(identity, used, ipv6=host_has_ipv6(), mtu=uplink_mtu(route))


def conflist(network: PodNetwork, leases: Path, *, default_route6: bool, more: Iterable[Mapping[str, Any]] = ()) -> str:
    """The CNI configuration list: our bridge with addresses from the subnets, then `more` plugins in order."""
    routes = [{"dst": "0.0.0.0/0"}]
    if network.subnet6 is not None and default_route6:
        routes.append({"dst": "::/0"})
    bridge = {
        "type": "bridge",
        "bridge": network.bridge,
        "isGateway": False,
        "ipMasq": False,
        "hairpinMode": True,
        "mtu": network.mtu,
        "ipam": {
            "type": "host-local",
            "dataDir": str(leases),
            "ranges": [[{"subnet": str(subnet)}] for subnet in network.subnets],
            "routes": routes,
        },
    }
    document = {"cniVersion": CNI_VERSION, "name": NAME, "plugins": [bridge, *more]}
    return json.dumps(document, indent=2) + "\n"


async def ensure(network: PodNetwork) -> bool:
    """Make the bridge, its addresses and the firewall rules, or repair them. Idempotent.

    Returns whether pods are masqueraded, which needs iptables; without it they reach this machine alone.
    """
    lines = []
    if not link_exists(network.bridge):
        # A fixed hardware address: otherwise the bridge takes its lowest port's, and neighbours' caches go stale.
        hardware = hashlib.sha256(network.bridge.encode()).digest()[:5].hex(":")
        lines.append(f"link add {network.bridge} address 02:{hardware} mtu {network.mtu} type bridge")
    for subnet in network.subnets:
        nodad = " nodad" if subnet.version == 6 else ""
        lines.append(f"address replace {subnet[1]}/{subnet.prefixlen} dev {network.bridge}{nodad}")
    lines.append(f"link set {network.bridge} up")
    await commands.run("ip", "-batch", "-", stdin="\n".join(lines))
    return await firewall.ensure(network.bridge, network.subnets)


async def remove(network: PodNetwork) -> None:
    """Remove the rules and the bridge. Idempotent."""
    await firewall.remove(network.bridge)
    if link_exists(network.bridge):
        await commands.run("ip", "link", "delete", network.bridge)
