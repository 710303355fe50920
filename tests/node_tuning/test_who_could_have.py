"""Hints of who changed a value, and how pods are connected: from files of the host and pods of the node."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from podsysctl.node.tuning import networking, suspects
from podsysctl.runtime.network import PodNetwork
from podsysctl.sysctls.name import parse_name
from podsysctl.sysctls.tuned.guard import PodNetworking


def pod(name: str, *command: str, privileged: bool = True) -> dict[str, Any]:
    """A pod with one container."""
    container = {"name": "c", "command": list(command), "securityContext": {"privileged": privileged}}
    return {"metadata": {"name": name, "namespace": "ns", "uid": name}, "spec": {"containers": [container]}}


def test_kubelet_and_kube_proxy_are_named_for_what_they_set(tmp_path: Path) -> None:
    """By the parameter alone; the kubelet first where the value is the one it sets."""
    assert suspects.find(parse_name("kernel.panic"), "10", (), tmp_path) == [
        "a kubelet without protectKernelDefaults, which sets 10 when it starts"
    ]
    assert suspects.find(parse_name("net.netfilter.nf_conntrack_max"), "1", (), tmp_path) == [
        "a kube-proxy, which sets it when it starts"
    ]
    assert suspects.find(parse_name("vm.swappiness"), "1", (), tmp_path) == []


def test_privileged_pods_come_first_when_their_command_names_the_parameter(tmp_path: Path) -> None:
    """Either spelling counts; of the others only some are named, and pods without the right never."""
    pods = [
        *[pod(f"other-{number}") for number in range(5)],
        pod("writer", "sh", "-c", "echo 1 > /proc/sys/vm/swappiness"),
        pod("plain", "sysctl", "-w", "vm.swappiness=1", privileged=False),
    ]
    found = suspects.find(parse_name("vm.swappiness"), "1", pods, tmp_path)
    assert found == [
        "privileged pod ns/writer, whose command names it",
        *[f"privileged pod ns/other-{number}" for number in range(3)],
    ]


def test_file_with_the_very_value_comes_before_one_with_another(tmp_path: Path) -> None:
    """The likeliest first."""
    directory = tmp_path / "etc/sysctl.d"
    directory.mkdir(parents=True)
    (directory / "10.conf").write_text("vm.swappiness = 1\n")
    (directory / "20.conf").write_text("vm.swappiness = 2\n")
    found = suspects.find(parse_name("vm.swappiness"), "1", (), tmp_path)
    assert found == [
        f"{directory}/10.conf:1 (sysctl.d), which sets 1",
        f"{directory}/20.conf:1 (sysctl.d), which sets 2",
    ]


def test_private_network_is_known_without_its_files(tmp_path: Path) -> None:
    """The bridge and the families that were chosen, and bridges of attachments."""
    chosen = PodNetwork("psctl0", ipaddress.IPv4Network("10.1.0.0/24"), None, 1500)
    assert networking.read(chosen, {"br2", "br1"}, tmp_path) == PodNetworking(
        "psctl0", ("br1", "br2"), ipv6=False, plugins=("bridge",)
    )


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [
        (
            [{"type": "bridge", "bridge": "cni9", "ipam": {"ranges": [[{"subnet": "fd00::/64"}]]}}, {"type": "tuning"}],
            PodNetworking("cni9", (), ipv6=True, plugins=("bridge", "tuning")),
        ),
        (
            [{"type": "bridge", "ipam": {"ranges": [[{"subnet": "10.0.0.0/24"}]]}}],
            PodNetworking("cni0", (), ipv6=False, plugins=("bridge",)),
        ),
        ([{"type": "cilium-cni"}], PodNetworking("", (), ipv6=False, plugins=("cilium-cni",))),
    ],
)
def test_network_of_another_runtime_is_read_from_its_first_file(
    tmp_path: Path, plugins: list[dict[str, Any]], expected: PodNetworking
) -> None:
    """As a runtime chooses it: the first by name that can be read."""
    directory = tmp_path / networking.CNI_DIRECTORY
    directory.mkdir(parents=True)
    (directory / "05-broken.conf").write_text("{")
    (directory / "10-net.conflist").write_text(json.dumps({"name": "n", "plugins": plugins}))
    (directory / "20-late.conf").write_text(json.dumps({"type": "ptp"}))
    assert networking.read(None, (), tmp_path) == expected


def test_machine_without_networks_has_no_bridge(tmp_path: Path) -> None:
    """Nothing to break but what concerns every node."""
    assert networking.read(None, (), tmp_path) == PodNetworking()
