"""`podsysctl explain NAME`: for every parameter, without root, without a network, quickly."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import pytest

from podsysctl.cli import explain_name
from podsysctl.kernel import procsys
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.catalogue import Namespace
from podsysctl.sysctls.name import parse_name

from .conftest import Run

PROGRAM = Path(sys.executable).parent / "podsysctl"


def test_explain_every_parameter_is_a_whole_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows, as an ordinary user, without a network."""
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    for row in catalogue.every():
        assert explain_name.run(argparse.Namespace(name=row.name, output="text")) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"{row.name}\n")
        for heading in ("Values", "Gates", "How to set it", "More: https://docs.kernel.org/", "Source: "):
            assert heading in text, row.name


def test_explain_json_is_complete(run: Run) -> None:
    """The stable form has every column."""
    page = json.loads(run("explain", "net.ipv4.tcp_rmem", "-o", "json").out)
    assert page["safe"] == {
        "podSecurity": "1.32", "kubelet": "1.32", "kubeletKernel": "4.15", "scc": True, "tuningCNI": False
    }  # fmt: skip
    assert page["namespacedSinceKernel"] == "4.15"
    assert page["arity"] == 3
    assert "net.core.rmem_max" in page["coupled"]


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("net.ipv4.tcp_autocorking", "3.14"),
        ("net.ipv4.udp_mem", "2.6.25"),
        ("net.netfilter.nf_conntrack_max", "2.6.18 or older"),
        ("net.ipv6.conf.IFNAME.arp_notify", "not known"),
    ],
)
def test_explain_says_since_when_or_that_it_is_not_known(run: Run, name: str, since: str) -> None:
    """A version, an upper bound, or the honest answer; JSON says the same."""
    assert f"  Since Linux:  {since}\n" in run("explain", name).out
    page = json.loads(run("explain", name, "-o", "json").out)
    assert page["sinceKernel"] == (None if since == "not known" else since)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("net.core.somaxconn", "securityContext"),
        ("net.ipv4.conf.eth0.rp_filter", "NetworkAttachmentDefinition"),
        ("vm.max_map_count", "kind: Tuned"),
        ("net.core.rmem_max", "kind: Tuned"),
        ("kernel.version", "cannot be set"),
        ("net.ipv4.tcp_tw_recycle", "Not at all on Linux 4.12"),
    ],
)
def test_explain_shows_the_level_where_it_can_be_set(run: Run, name: str, level: str) -> None:
    """Pod, interface, node, or nowhere."""
    assert level in run("explain", name).out


def test_explain_yaml_names_the_parameter_and_a_value_of_its_shape() -> None:
    """What is printed to be pasted holds the name and no placeholder, for every namespaced parameter with a default."""
    for row in catalogue.every():
        if row.namespace not in (Namespace.NET, Namespace.IPC) or not row.default or row.removed or row.access != "rw":
            continue
        name = parse_name(row.name)
        text = explain_name.as_text(row, name)
        how = text[text.index("How to set it") :]
        assert row.name in how, row.name
        assert "VALUE" not in how, row.name


def test_explain_typo_suggests_close_names(run: Run) -> None:
    """A wrong name is a usage error with the right one in the hint."""
    done = run("explain", "net.core.somaxcon")
    assert done.code == 2
    assert "did you mean net.core.somaxconn" in done.err
    assert "eth0/100" in run("explain", "net.ipv4.conf.eth0.100.rp_filter").err


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("net.core", "podsysctl sysctl list -N net.core"),
        ("net.core.*", "podsysctl sysctl list -N 'net.core.*'"),
        ("somaxconn", "did you mean net.core.somaxconn?"),
        ("rp_filter", "did you mean net.ipv4.conf.IFNAME.rp_filter?"),
        ("nothing-at-all", "podsysctl explain --help"),
    ],
)
def test_explain_what_is_no_parameter_says_what_to_type(run: Run, word: str, hint: str) -> None:
    """A group, a pattern, the last part of a name, and a word that means nothing."""
    done = run("explain", word)
    assert (done.code, done.out) == (2, "")
    assert f"hint: {hint}" in done.err or f"`{hint}`" in done.err


def test_explain_file_of_proc_sys_is_the_parameter(run: Run) -> None:
    """The file exists, yet it is no manifest."""
    assert run("explain", "/proc/sys/kernel/shmmni").out == run("explain", "kernel.shmmni").out
    both = run("explain", "kernel.shmmni", "kernel.shmall").out
    assert both.startswith("kernel.shmmni\n")
    assert "\n\nkernel.shmall\n" in both


def test_explain_empty_value_is_shown_as_empty(run: Run) -> None:
    """Empty is a value; and what is printed to be pasted is a list of ports."""
    if procsys.read(parse_name("net.ipv4.ip_local_reserved_ports")):
        pytest.skip("this host reserves ports")
    out = run("explain", "net.ipv4.ip_local_reserved_ports").out
    assert "  here:         (empty)\n" in out
    assert 'value: "8080,9148-9150"' in out


def test_explain_dotted_interface_warns_of_the_runtime(run: Run) -> None:
    """No runtime can set a parameter of an interface with a dot by that name."""
    assert "no runtime can set it" in run("explain", "net.ipv4.conf.eth0/100.rp_filter").out


@pytest.mark.parametrize(
    ("word", "is_name"),
    [
        ("net.core.somaxconn", True), ("/proc/sys/kernel/sem", True), ("pod.spec.securityContext", False),
        ("pod.yaml", False), ("pod/web", False), ("vm", False), ("-", False),
    ],
)  # fmt: skip
def test_is_name_tells_parameters_from_other_words(word: str, is_name: bool) -> None:
    """`explain` also takes files and pods."""
    assert explain_name.is_name(word) is is_name
