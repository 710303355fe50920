from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Network

import pytest

from podsysctl.runtime import firewall

BRIDGE = "psctltest01"
SUBNET = IPv4Network("198.51.100.0/24")


def _rules() -> list[str]:
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    return [line for line in saved.splitlines() if BRIDGE in line]


@pytest.mark.root
async def test_rules_written_twice_are_there_once_and_go_away() -> None:
    """Masquerading and forwarding for our bridge, and nothing else is touched."""
    if shutil.which("iptables-save") is None:
        pytest.skip("iptables is not installed")
    try:
        assert await firewall.ensure(BRIDGE, [SUBNET])
        assert await firewall.ensure(BRIDGE, [SUBNET])
        rules = _rules()
        assert len(rules) == 3
        assert sum("MASQUERADE" in rule for rule in rules) == 1
    finally:
        await firewall.remove(BRIDGE)
    assert _rules() == []
    await firewall.remove(BRIDGE)


PORTMAP = """*nat
:PREROUTING ACCEPT [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
{used}COMMIT
"""


def test_chains_of_portmap_that_serve_nobody_are_removed() -> None:
    """Jumps first, then the chains' rules, then the chains."""
    lines = [line for _, line in firewall._delete_lines(PORTMAP.format(used=""), BRIDGE, portmap=True)]
    assert [line.split()[0] for line in lines] == ["-D", "-D", "-F", "-F", "-F", "-X", "-X", "-X"]


def test_chains_of_portmap_in_use_stay() -> None:
    """They may be another runtime's."""
    used = "-A CNI-HOSTPORT-DNAT -p tcp -m multiport --dports 80 -j CNI-DN-0123\n"
    assert firewall._delete_lines(PORTMAP.format(used=used), BRIDGE, portmap=True) == []
