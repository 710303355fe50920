"""Which keys the plugin lets through, with an allowlist, without one, and with a bad one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from podsysctl.policy import tuning_allowlist
from tests.cni.conftest import Call
from tests.cni.sandbox import Sandbox

RP_FILTER = "net.ipv4.conf.IFNAME.rp_filter"
ENTRY = f"^{RP_FILTER}$"


@pytest.mark.root
def test_key_outside_the_list_is_refused_in_upstreams_words(call: Call, allowlist: Path, box: Sandbox) -> None:
    """The refusal names the key and the whole list, and nothing is written."""
    allowlist.write_text(f"{ENTRY}\n")
    before = box.read("net/ipv4/conf/net1/rp_filter")
    answer = call("ADD", {"sysctl": {RP_FILTER: "2", "net.core.somaxconn": "5"}})
    words = f"Only the following sysctls are allowed: [{ENTRY}]"
    assert answer.message == f"Sysctl net.core.somaxconn is not allowed. {words}"
    assert box.read("net/ipv4/conf/net1/rp_filter") == before


@pytest.mark.root
def test_key_with_the_interfaces_own_name_matches_its_entry(call: Call, allowlist: Path) -> None:
    """net1 stands for IFNAME while net1 is set up, and no other interface does."""
    allowlist.write_text(f"{ENTRY}\n")
    assert call("ADD", {"sysctl": {"net.ipv4.conf.net1.rp_filter": "2"}}).code == 0
    assert call("ADD", {"sysctl": {"net.ipv4.conf.lo.rp_filter": "2"}}).code == 1


@pytest.mark.root
def test_empty_list_allows_nothing(call: Call, allowlist: Path) -> None:
    """A file without entries is a list, not the absence of one."""
    allowlist.write_text("\n \n")
    assert call("ADD", {"sysctl": {RP_FILTER: "2"}}).message.endswith("allowed: []")


@pytest.mark.root
def test_missing_list_allows_the_documented_names_only(call: Call, box: Sandbox) -> None:
    """Without a list the default one holds; `"allowlist": "none"` asks for all of net/."""
    if Path("/etc/cni/tuning/allowlist.conf").exists():
        pytest.skip("this machine has an allowlist of its own")
    assert call("ADD", {"sysctl": {RP_FILTER: "2"}}, PODSYSCTL_TUNING_ALLOWLIST="").code == 0
    refused = {"sysctl": {"net.ipv4.conf.IFNAME.arp_ignore": "1"}}
    assert "this node has no" in call("ADD", refused, PODSYSCTL_TUNING_ALLOWLIST="").message
    assert call("ADD", {**refused, "allowlist": "none"}, PODSYSCTL_TUNING_ALLOWLIST="").code == 0
    assert box.read("net/ipv4/conf/net1/arp_ignore") == "1"


@pytest.mark.root
def test_missing_list_that_was_named_refuses_everything(call: Call, tmp_path: Path) -> None:
    """Who names a file means it, whatever the configuration of a network says."""
    config = {"sysctl": {RP_FILTER: "2"}, "allowlist": "none"}
    answer = call("ADD", config, PODSYSCTL_TUNING_ALLOWLIST=str(tmp_path / "absent"))
    assert "does not exist, so no sysctl is allowed" in answer.message


@pytest.mark.root
@pytest.mark.parametrize("mode", ["upstream-1.1", "x"])
def test_configuration_cannot_ask_for_a_mode_without_the_list(call: Call, mode: str) -> None:
    """A user of a namespace may write a network's configuration, so it cannot switch the allowlist off."""
    answer = call("ADD", {"sysctl": {RP_FILTER: "2"}, "mode": mode})
    assert answer.message == f"mode is {mode}, a configuration may ask for default, upstream"


@pytest.mark.root
def test_mode_upstream_still_obeys_the_list(call: Call, allowlist: Path) -> None:
    """Upstream's plugin of today has the list as well."""
    allowlist.write_text(f"{ENTRY}\n")
    answer = call("ADD", {"sysctl": {"net.core.somaxconn": "5"}, "mode": "upstream"})
    assert answer.message.startswith("Sysctl net.core.somaxconn is not allowed.")


@pytest.mark.root
def test_broken_expression_is_refused_in_gos_words(call: Call, allowlist: Path) -> None:
    """A list that cannot be understood allows nothing."""
    allowlist.write_text("[\n")
    assert call("ADD", {"sysctl": {RP_FILTER: "2"}}).message == "error parsing regexp: missing closing ]: `[`"


@pytest.mark.root
def test_list_past_its_bound_is_refused(call: Call, allowlist: Path) -> None:
    """A list is read at every start of a pod, so it has a size."""
    allowlist.write_text("^x$\n" * 100_000)
    assert "has more than" in call("ADD", {"sysctl": {RP_FILTER: "2"}}).message


def test_catastrophic_expression_takes_linear_time() -> None:
    """Nested repetition against a long key, which takes a backtracking engine years."""
    started = time.process_time()
    assert tuning_allowlist.find("a" * 10_000 + "!", ["(a+)+$", "(a|a)*b$", "(.*a){20}$"]) is None
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("entry", "key", "matches"),
    [
        ("^net.ipv4.conf.IFNAME.rp_filter$", "net.ipv4.conf.IFNAME.rp_filter", True),
        ("^net.ipv4.conf.IFNAME.rp_filter$", "net/ipv4/conf/IFNAME/rp_filter", True),
        ("^net.ipv4.conf.IFNAME.rp_filter$", "net.ipv4.conf.IFNAME.rp_filter2", False),
        ("^net.ipv4.conf.IFNAME.rp_filter", "net.ipv4.conf.IFNAME.rp_filter2", True),
        ("rp_filter$", "net.ipv4.conf.IFNAME.rp_filter", True),
        ("rp_filter$", "net.ipv4.conf.IFNAME.rp_filters", False),
        ("conf", "net.ipv4.conf.x.y", True),
        ("conf", "net.ipv4.con", False),
        ("^$", "", True),
        ("^$", "x", False),
        ("", "anything", True),
        (".", "", False),
        ("#x", "x", False),
        ("^net\\.core\\.", "net.core.somaxconn", True),
        ("^net\\.core\\.", "net/core/somaxconn", False),
        ("^(a|b)$", "b", True),
        ("(?i)NET", "net", True),
        ("a.c", "a\nc", False),
    ],
)
def test_entry_matches_as_gos_regexp_does(entry: str, key: str, matches: bool) -> None:
    """Plain entries are compared without an engine; the answer is the engine's."""
    import re2

    assert (tuning_allowlist.find(key, [entry]) is not None) is matches
    assert (re2.search(entry, key) is not None) is matches
