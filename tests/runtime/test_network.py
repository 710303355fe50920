from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime import network
from podsysctl.runtime.network import PodNetwork

ROUTE = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
)
FIB_TRIE = (
    "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n"
    "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 172.17.0.1\n        /32 host LOCAL\n"
)


def test_host_networks_are_routes_and_own_addresses() -> None:
    """An interface that is down has an address and no route."""
    found = network.host_networks(ROUTE, FIB_TRIE)
    assert found == [IPv4Network("0.0.0.0/0"), IPv4Network("192.0.2.0/24"), IPv4Network("172.17.0.1/32")]


def test_choice_avoids_every_network_of_the_host() -> None:
    """Whatever the identity prefers; a default route is no network."""
    used = [IPv4Network("0.0.0.0/0"), IPv4Network("10.64.0.0/10"), IPv4Network("10.128.0.0/10")]
    chosen = network.choose("some", used, ipv6=False, mtu=1500)
    assert chosen.subnet4.subnet_of(IPv4Network("172.16.0.0/12"))
    assert chosen.subnet4.prefixlen == 20


def test_choice_is_the_same_for_one_identity_and_differs_between_two() -> None:
    """So that two clusters on one machine do not meet."""
    first, again, other = (network.choose(name, [], ipv6=True, mtu=1400) for name in ("/a", "/a", "/b"))
    assert first == again
    assert first.bridge != other.bridge
    assert first.subnet4 != other.subnet4
    assert first.subnet6 != other.subnet6


def test_choice_without_room_says_what_to_free() -> None:
    """A host whose routes cover all private space."""
    with pytest.raises(PodsysctlError, match="overlaps"):
        network.choose("x", [IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")], ipv6=False, mtu=1500)


@pytest.mark.parametrize("ipv6", [False, True])
def test_choice_saved_is_read_again(ipv6: bool) -> None:
    """The choice stays while pods live."""
    chosen = network.choose("/a", [], ipv6=ipv6, mtu=1400)
    assert PodNetwork.from_json(chosen.to_json()) == chosen
    with pytest.raises(PodsysctlError):
        PodNetwork.from_json("{}")


def test_bridge_name_fits_an_interface() -> None:
    """IFNAMSIZ leaves 15 bytes."""
    assert len(network.choose("/a", [], ipv6=False, mtu=1500).bridge) <= 15


@pytest.mark.parametrize(
    ("ipv6", "route6", "routes"),
    [(False, True, ["0.0.0.0/0"]), (True, False, ["0.0.0.0/0"]), (True, True, ["0.0.0.0/0", "::/0"])],
)
def test_conflist_has_a_default_route_for_what_the_host_routes(ipv6: bool, route6: bool, routes: list[str]) -> None:
    """A route to nowhere would make every connection wait."""
    chosen = network.choose("/a", [], ipv6=ipv6, mtu=1400)
    text = network.conflist(chosen, Path("/x/leases"), default_route6=route6, more=[{"type": "portmap"}])
    bridge, portmap = json.loads(text)["plugins"]
    assert [route["dst"] for route in bridge["ipam"]["routes"]] == routes
    assert len(bridge["ipam"]["ranges"]) == 1 + ipv6
    assert (bridge["isGateway"], bridge["mtu"], portmap["type"]) == (False, 1400, "portmap")


def test_uplink_mtu_is_that_of_the_default_routes_interface(tmp_path: Path) -> None:
    """And 1500 where there is no such route."""
    (tmp_path / "class/net/eth0").mkdir(parents=True)
    (tmp_path / "class/net/eth0/mtu").write_text("1400\n")
    assert network.uplink_mtu(ROUTE, tmp_path) == 1400
    assert network.uplink_mtu(ROUTE.splitlines()[0] + "\n", tmp_path) == 1500


@pytest.mark.parametrize(
    ("if_inet6", "has"), [("0" * 31 + "1 01 80 10 80 lo\n", False), ("fe80 04 40 20 80 eth0\n", True)]
)
def test_host_has_ipv6_when_more_than_the_loopback_has(tmp_path: Path, if_inet6: str, has: bool) -> None:
    """Also when the kernel has none at all."""
    assert not network.host_has_ipv6(tmp_path)
    (tmp_path / "net").mkdir()
    (tmp_path / "net/if_inet6").write_text(if_inet6)
    assert network.host_has_ipv6(tmp_path) is has
