"""Names: one parser for both spellings, nothing that leaves /proc/sys, one spelling for each consumer."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podsysctl.base.errors import NameSyntaxError, PodsysctlError
from podsysctl.sysctls.name import SysctlName, first_separator, interface_hint, parse_name, parse_path
from podsysctl.sysctls.pattern import parse_pattern

PART = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
INTERFACE = st.from_regex(r"[a-z][a-z0-9.@_-]{0,13}[a-z0-9]", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "dotted", "path"),
    [
        ("net.core.somaxconn", "net.core.somaxconn", "net/core/somaxconn"),
        ("net/core/somaxconn", "net.core.somaxconn", "net/core/somaxconn"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("a/b.c", "a.b/c", "a/b.c"),
        ("a.b/c", "a.b/c", "a/b.c"),
        ("abc", "abc", "abc"),
    ],
)
def test_parse_name_either_spelling_gives_one_name(text: str, dotted: str, path: str) -> None:
    """The first separator tells the spelling; a dot inside a part is a slash in the dotted one."""
    name = parse_name(text)
    assert (name.dotted, name.path) == (dotted, path)


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "/", "..", "net..core", "net//core", ".net", "net.", "/net", "net/", "net/../../etc", "net.//.x",
        "net/./x", "net/ core",
        "net.core\0", "net.core.x\n", "a" * 254, "é" * 127, "net.ipv4.conf.a23456789012345x.tag",
        "net/ipv4/conf/a:b/tag", "\ud800.x",
    ],
)  # fmt: skip
def test_parse_name_outside_proc_sys_is_refused(text: str) -> None:
    """Empty parts, dots alone, control characters, long names and impossible interfaces are no names."""
    with pytest.raises(NameSyntaxError):
        parse_name(text)


def test_parse_name_longest_allowed_is_accepted() -> None:
    """253 bytes is the last length that Kubernetes allows."""
    assert parse_name("a" * 253).dotted == "a" * 253


@settings(max_examples=5000)
@given(st.one_of(st.text(max_size=300), st.text("net.ipv4/conf%\\.:_*0 \t\n\0", max_size=40)))
def test_parse_name_any_text_stays_below_proc_sys_or_is_refused(text: str) -> None:
    """Whatever is parsed cannot leave /proc/sys, and no exception is anything but ours."""
    try:
        name = parse_name(text)
    except PodsysctlError:
        return
    assert os.path.normpath(name.proc_path) == name.proc_path
    assert name.proc_path.startswith("/proc/sys/")
    assert "\0" not in name.proc_path
    assert parse_name(name.dotted) == name == parse_name(name.slashed)
    assert parse_path(name.proc_path) == name


@settings(max_examples=1000)
@given(st.text(max_size=60))
def test_parse_pattern_any_text_is_a_pattern_or_refused(text: str) -> None:
    """Patterns raise nothing but our errors and match without failing."""
    try:
        pattern = parse_pattern(text)
    except PodsysctlError:
        return
    pattern.matches(parse_name("net.ipv4.conf.eth0/100.rp_filter"))


@settings(max_examples=500)
@given(st.lists(PART, min_size=1, max_size=6))
def test_spellings_of_plain_parts_round_trip(parts: list[str]) -> None:
    """Every spelling that this program itself reads gives the name back."""
    name = SysctlName(tuple(parts))
    for text in (name.dotted, name.slashed, name.kubelet, name.runtime, name.sysctl_d, name.tuned):
        assert parse_name(text).segments == name.segments


@settings(max_examples=500)
@given(INTERFACE)
def test_interface_with_dots_round_trips_and_folds_to_the_token(interface: str) -> None:
    """Every interface's setting is the token's in the catalogue and in the tuning plugin."""
    name = parse_name(f"net/ipv4/conf/{interface}/rp_filter")
    assert name.segments[3] == interface
    assert name.template.dotted == "net.ipv4.conf.IFNAME.rp_filter"
    if interface not in ("all", "default"):
        assert name.interface == interface
        assert name.tuning_key == "net.ipv4.conf.IFNAME.rp_filter"
        assert name.template.with_interface(interface) == name


def test_runtime_path_of_dotted_interface_is_not_the_file() -> None:
    """runc, crun, pinns and the tuning plugin turn every dot into a slash and miss the file."""
    name = parse_name("net.ipv4.conf.eth0/100.rp_filter")
    assert name.runtime_path == "net/ipv4/conf/eth0/100/rp_filter" != name.path


def test_neighbour_table_thresholds_keep_their_name() -> None:
    """gc_thresh exists below neigh/default alone and is no setting of an interface."""
    assert parse_name("net.ipv4.neigh.default.gc_thresh3").template.dotted == "net.ipv4.neigh.default.gc_thresh3"
    assert parse_name("net.ipv4.neigh.default.locktime").template.dotted == "net.ipv4.neigh.IFNAME.locktime"


def test_interface_hint_all_dots_spelling_names_the_right_one() -> None:
    """The likeliest mistake with a VLAN interface is answered with what to write."""
    assert "net.ipv4.conf.eth0/100.rp_filter" in interface_hint("net.ipv4.conf.eth0.100.rp_filter")
    assert "net/ipv4/conf/eth0.100/rp_filter" in interface_hint("net/ipv4/conf/eth0/100/rp_filter")
    assert interface_hint("net.core.somaxconn") == ""


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("net.ipv4.*", "net.ipv4.conf.eth0/100.rp_filter", True),
        ("kernel.shm*", "kernel.shm_rmid_forced", True),
        ("net.ipv4.conf.*.rp_filter", "net.ipv4.conf.eth0/100.rp_filter", True),
        ("net.*.rp_filter", "net.ipv4.conf.all.rp_filter", False),
        ("net/ipv4/conf/eth[0-3]/tag", "net.ipv4.conf.eth2.tag", True),
        ("net/ipv4/conf/eth[!0-3]/tag", "net.ipv4.conf.eth2.tag", False),
        ("kernel.sem", "kernel.sem_next_id", False),
    ],
)
def test_pattern_star_stays_in_a_part_except_at_the_end(pattern: str, name: str, matches: bool) -> None:
    """A star in the middle is one part's, a final one crosses parts as in a kubelet pattern."""
    assert parse_pattern(pattern).matches(parse_name(name)) is matches


def test_first_separator_without_any_is_empty() -> None:
    """A single part has no separator."""
    assert first_separator("abc") == ""
