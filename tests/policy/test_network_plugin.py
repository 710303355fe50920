"""What a network's configuration would set, whichever way it says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.policy import interface, network_plugin
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.node_gates import evaluate_interfaces
from podsysctl.policy.verdict import Outcome

SOMAXCONN = {"net.core.somaxconn": "9"}


def deep(levels: int) -> Any:
    """Lists in lists."""
    out: Any = "x"
    for _ in range(levels):
        out = [out]
    return out


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ({"type": "tuning", "SysCtl": SOMAXCONN}, 'member "SysCtl" must be spelled "sysctl"'),
        ({"type": "tuning", "\u017fysctl": SOMAXCONN}, 'must be spelled "sysctl"'),
        ({"type": "tuning", "DATADIR": "/etc"}, 'must be spelled "dataDir"'),
        ({"type": "tuning", "Mode": "upstream"}, 'must be spelled "mode"'),
        ({"type": "tuning", "allowList": "none"}, 'must be spelled "allowlist"'),
        ({"type": "tuning", "Args": {"cni": {"sysctl": SOMAXCONN}}}, 'must be spelled "args"'),
        ({"type": "tuning", "args": {"CNI": {"sysctl": SOMAXCONN}}}, 'must be spelled "cni"'),
        ({"type": "tuning", "args": {"cni": {"Sysctl": SOMAXCONN}}}, 'must be spelled "sysctl"'),
        ({"type": "bridge", "ipam": {"type": "tuning"}, "sysctl": SOMAXCONN}, "run by another one through ipam"),
        ({"type": "bridge", "ipam": {"Type": "tuning"}}, 'must be spelled "type"'),
        ({"type": "flannel", "delegate": {"type": "podsysctl-tuning"}}, "through delegate"),
        ({"type": "multus", "delegates": [{"type": "tuning"}]}, "through delegates"),
        ({"type": "x", "y": deep(100)}, "nested more than 64 deep"),
        ({"type": "tuning", "sysctl": {"a": deep(900)}}, "nested more than 64 deep"),
    ],
)
def test_configuration_that_hides_what_it_sets_is_found(plugin: dict[str, Any], words: str) -> None:
    """Plugins read names without regard to case and run others; the judge must see the same."""
    problem = network_plugin.find_problem(plugin)
    assert problem is not None
    assert words in problem
    with pytest.raises(UsageError, match="config: "):
        interface.tuning_sysctls({"spec": {"config": json.dumps({"plugins": [plugin]})}})


@pytest.mark.parametrize(
    "plugin",
    [
        {"type": "bridge", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24"}]]}},
        {"type": "tuning", "sysctl": {"net.ipv4.conf.Type.rp_filter": "1", "MODE": "x"}},
        {"type": "macvlan", "master": "eth0", "MTU": 1400, "capabilities": {"ips": True}},
    ],
)
def test_usual_configuration_is_no_problem(plugin: dict[str, Any]) -> None:
    """Names of sysctls and of members that decide nothing may be spelled as one likes."""
    assert network_plugin.find_problem(plugin) is None


def definition(*plugins: dict[str, Any]) -> dict[str, Any]:
    """One that a pod can name as `n`."""
    config = json.dumps({"name": "n", "plugins": list(plugins)})
    return {"metadata": {"name": "n", "namespace": "default"}, "spec": {"config": config}}


def judge(found: dict[str, Any], networks: Any) -> list[str]:
    """What `explain` says of a pod with these networks on a node that allows everything below net to the plugin."""
    pod = {"metadata": {"name": "p", "annotations": {interface.NETWORKS: json.dumps(networks)}}}
    node = NodeFacts(name="n", release="6.18.0", allowed=(), interfaces=(".",))
    verdicts = evaluate_interfaces(pod, node, [found])
    return [verdict.reason for verdict in verdicts if verdict.outcome is Outcome.REFUSED]


@pytest.mark.parametrize(
    ("plugins", "entry"),
    [
        (({"type": "tuning", "sysctl": SOMAXCONN},), {}),
        (({"type": "tuning", "args": {"cni": {"sysctl": SOMAXCONN}}},), {}),
        (({"type": "tuning"},), {"cni-args": {"sysctl": SOMAXCONN}}),
        (({"type": "tuning"},), {"cni-args": {"SYSCTL": SOMAXCONN}}),
        (({"type": "tuning", "sysctL": SOMAXCONN},), {}),
        (({"type": "bridge", "ipam": {"type": "tuning"}, "sysctl": SOMAXCONN},), {}),
        (({"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "2"}},), {"interface": "all"}),
    ],
)
def test_every_way_round_the_kubelets_list_is_explained(plugins: tuple[dict[str, Any], ...], entry: Any) -> None:
    """Whatever the node refuses, `explain` finds beforehand."""
    assert len(judge(definition(*plugins), [{"name": "n", **entry}])) == 1


@pytest.mark.parametrize("name", ["all", "default"])
def test_annotation_cannot_name_every_interface(name: str) -> None:
    """A permission for one interface must not reach `conf.all`, which the kubelet's list forbids."""
    with pytest.raises(UsageError, match="is the name of no interface"):
        interface.parse_interface_sysctls(json.dumps({name: {"net.ipv4.conf.IFNAME.rp_filter": "2"}}))


@pytest.mark.parametrize(
    ("key", "lines", "words"),
    [
        ("net.ipv4.conf.IFNAME.rp_filter", None, ""),
        ("net.ipv4.conf.eth0.rp_filter", None, ""),
        ("net/ipv4/conf/eth0/rp_filter", None, ""),
        ("net.ipv4.conf.eth1.rp_filter", None, "is not allowed"),
        ("net.ipv4.conf.IFNAME.arp_ignore", None, "is not allowed"),
        ("net.ipv4.conf.IFNAME.arp_ignore", ("arp_ignore$",), ""),
        ("net.ipv4.conf.IFNAME.rp_filter", ("[",), "error parsing regexp"),
        ("net.ipv4.conf.IFNAME.rp_filter", (), "is not allowed"),
        ("net.core.somaxconn", (".",), "allowedUnsafeSysctls"),
        ("kernel.shmmax", (".",), "invalid net sysctl key"),
    ],
)
def test_annotation_is_judged_as_the_nodes_plugin_does(key: str, lines: tuple[str, ...] | None, words: str) -> None:
    """The plugin takes each spelling for what it means; `explain` must not refuse what runs."""
    annotation = json.dumps({"eth0": {key: "2"}})
    pod = {"metadata": {"name": "p", "annotations": {interface.INTERFACE_SYSCTLS: annotation}}}
    [verdict] = evaluate_interfaces(pod, NodeFacts(name="n", release="6.18.0", allowed=(), interfaces=lines), [])
    assert verdict.outcome is (Outcome.REFUSED if words else Outcome.ALLOWED)
    assert words in verdict.reason
