"""What would break the pods' network is refused with the reason, which a real network of pods confirms."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.guard import PodNetworking, dangers
from podsysctl.sysctls.tuned.plan import MachineFacts

NETWORK = PodNetworking(bridge="br0", ipv6=True)
ATTACHED = PodNetworking(bridge="br0", attached=("br1",), ipv6=True)

BREAKS = {
    "net.ipv4.ip_forward=0": {"outside", "other bridge", "host port", "service"},
    "net.ipv4.conf.all.forwarding=0": {"outside", "other bridge", "host port", "service"},
    "net.ipv4.conf.br0.forwarding=0": {"outside", "other bridge", "host port", "service"},
    "net.ipv6.conf.all.forwarding=0": {"outside by IPv6"},
    "net.ipv6.conf.all.disable_ipv6=1": {"outside by IPv6"},
    "net.ipv6.conf.br0.disable_ipv6=1": {"outside by IPv6"},
    "net.bridge.bridge-nf-call-iptables=0": {"service"},
    "net.ipv4.conf.all.arp_ignore=8": {"outside", "gateway", "other bridge"},
    "net.ipv4.conf.br0.arp_ignore=8": {"outside", "gateway", "other bridge"},
    "net.ipv4.neigh.br0.mcast_solicit=0": {"host port", "service"},
    "attached:net.ipv4.conf.all.rp_filter=1": {"host port"},
    "attached:net.ipv4.conf.br1.rp_filter=1": {"host port"},
}
"""Refused settings, and what no longer works with them."""

HARMLESS = (
    "net.ipv4.conf.all.rp_filter=1",
    "net.ipv4.conf.br0.rp_filter=1",
    "net.ipv4.conf.all.arp_ignore=1",
    "net.ipv4.conf.all.arp_ignore=2",
    "net.ipv4.conf.all.arp_announce=2",
    "net.ipv4.conf.all.arp_filter=1",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.all.accept_local=0",
    "net.ipv4.conf.default.rp_filter=1",
    "net.ipv6.conf.br0.forwarding=0",
    "attached:net.ipv4.conf.all.rp_filter=2",
    "attached:net.ipv4.conf.br0.rp_filter=1",
)
"""Settings that look alike and are not refused."""


def reasons(case: str, network: PodNetworking | None = None) -> list[str]:
    """What is said against a setting `NAME=VALUE`."""
    chosen = network or (ATTACHED if case.startswith("attached:") else NETWORK)
    text = f"[sysctl]\n{case.removeprefix('attached:')}\n"
    plan = build_plan("a", {"a": text}, MachineFacts())
    assert plan.problems == ()
    return [str(danger) for danger in dangers(plan, chosen)]


@pytest.mark.parametrize("case", BREAKS)
def test_setting_that_breaks_pods_is_refused_with_place_and_reason(case: str) -> None:
    """One reason, which begins with where the setting stands."""
    (reason,) = reasons(case)
    name, _, value = case.removeprefix("attached:").partition("=")
    start = f"profile a, section [sysctl], {name} (line 2): {value} would break pod networking: "
    assert reason.startswith(start)
    assert len(reason) > len(start) + 20


@pytest.mark.parametrize("case", HARMLESS)
def test_setting_that_harms_nothing_is_not_refused(case: str) -> None:
    """Hardening that pods do not notice stays possible."""
    assert reasons(case) == []


@pytest.mark.parametrize(
    ("case", "network", "refused"),
    [
        ("net.ipv4.ip_forward=<0", NETWORK, True),
        ("net.ipv4.ip_forward=>0", NETWORK, False),
        ("net.ipv4.ip_forward=1", NETWORK, False),
        ("net.ipv4.conf.default.forwarding=0", NETWORK, True),
        ("net.ipv4.conf.eth0.forwarding=0", NETWORK, False),
        ("net.ipv6.conf.all.forwarding=0", PodNetworking(bridge="br0"), False),
        ("net.ipv6.conf.all.disable_ipv6=1", PodNetworking(bridge="br0"), False),
        ("net.bridge.bridge-nf-call-iptables=0", PodNetworking(), False),
        ("net.ipv4.conf.all.rp_filter=1", PodNetworking(plugins=("cilium-cni",)), True),
        ("net.ipv4.conf.all.rp_filter=2", PodNetworking(plugins=("cilium-cni",)), True),
        ("net.ipv4.conf.all.rp_filter=2", PodNetworking(plugins=("ovn-k8s-cni-overlay",)), False),
        ("net.ipv4.conf.default.rp_filter=1", ATTACHED, True),
        ("user.max_net_namespaces=0", NETWORK, True),
        ("user.max_net_namespaces=100", NETWORK, False),
    ],
)
def test_danger_depends_on_guard_and_network(case: str, network: PodNetworking, refused: bool) -> None:
    """A `>` never lowers; what pods do not have cannot be broken."""
    assert bool(reasons(case, network)) is refused


def test_last_value_of_a_name_counts() -> None:
    """A later section may put right what an earlier one says."""
    text = "[sysctl]\nnet.ipv4.ip_forward=0\n[later]\ntype=sysctl\nnet.ipv4.ip_forward=1\n"
    assert dangers(build_plan("a", {"a": text}, MachineFacts()), NETWORK) == ()


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("net.ipv4.ip_forward = <=0", True),
        ("net.ipv4.ip_forward = >=1", False),
        ("net.ipv4.conf.all.arp_ignore = >=8", True),
        ("net.ipv6.conf.all.disable_ipv6 = 1..1", True),
    ],
)
def test_requirement_that_would_break_pods_is_refused(line: str, refused: bool) -> None:
    """What would be chosen for it is what counts."""
    plan = build_plan("a", {"a": f"[requirements]\n{line}\n"}, MachineFacts())
    assert plan.problems == ()
    assert bool(dangers(plan, NETWORK)) is refused


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of pods needs root")
@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("unshare", "nsenter", "ip", "iptables", "ip6tables")),
    reason="a network of pods needs unshare, nsenter, ip, iptables and ip6tables",
)
def test_dangers_are_what_a_real_network_of_pods_shows() -> None:
    """Each refused setting takes away what the table says at least, each other one nothing."""
    command = ["unshare", "-n", sys.executable, "-m", "tests.tuned.pod_network", *BREAKS, *HARMLESS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0 and "iptables" in done.stderr:
        pytest.skip("iptables does not work in a network namespace of this kernel")
    assert done.returncode == 0, done.stderr
    works = json.loads(done.stdout)
    lost = {case: set(works[""]) - set(found) for case, found in works.items() if found is not None}
    assert len(works[""]) == 7
    for case, ways in lost.items():
        assert ways >= BREAKS.get(case, set()), case
        assert not ways or case in BREAKS, case
