"""The catalogue: complete for this kernel, counted by hand, each row true to itself and to the measured kernel."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from podsysctl.base.errors import CatalogueError
from podsysctl.base.versions import KernelVersion
from podsysctl.kernel import namespaces, probe, procsys
from podsysctl.sysctls import catalogue, safe
from podsysctl.sysctls.catalogue import Namespace
from podsysctl.sysctls.name import parse_name
from podsysctl.sysctls.value import ValueKind, parse_value

COUNTS = {
    "net_core": 42,
    "net_ipv4_interface": 54,
    "net_ipv4_tcp": 93,
    "net_ipv4": 77,
    "net_ipv6_interface": 86,
    "net_ipv6": 46,
    "net_netfilter": 49,
    "net_other": 38,
    "ipc": 17,
    "fs": 59,
    "kernel": 133,
    "vm": 60,
    "user": 12,
    "other": 20,
}
"""Rows of each file, counted when last changed."""

TABLE_7_4 = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)

TABLE_7_5 = (
    "net.ipv4.conf.IFNAME.accept_redirects",
    "net.ipv4.conf.IFNAME.accept_source_route",
    "net.ipv4.conf.IFNAME.arp_accept",
    "net.ipv4.conf.IFNAME.arp_notify",
    "net.ipv4.conf.IFNAME.disable_policy",
    "net.ipv4.conf.IFNAME.secure_redirects",
    "net.ipv4.conf.IFNAME.send_redirects",
    "net.ipv6.conf.IFNAME.accept_ra",
    "net.ipv6.conf.IFNAME.accept_redirects",
    "net.ipv6.conf.IFNAME.accept_source_route",
    "net.ipv6.conf.IFNAME.arp_accept",
    "net.ipv6.conf.IFNAME.arp_notify",
    "net.ipv6.neigh.IFNAME.base_reachable_time_ms",
    "net.ipv6.neigh.IFNAME.retrans_time_ms",
)

NOT_MAINLINE = re.compile(r"kernel\.init_private")
"""Names that a vendor's kernel adds and that no released Linux has."""


def test_catalogue_counts_are_those_counted_by_hand() -> None:
    """A row that appears or disappears is a change somebody has to see."""
    assert {stem: len(catalogue.load(stem)) for stem in COUNTS} == COUNTS
    assert len(list(catalogue.every())) == sum(COUNTS.values()) >= 600


def test_catalogue_holds_every_parameter_of_this_kernel() -> None:
    """Whatever /proc/sys shows here, interfaces and processors folded, has a row."""
    shown = {name.template.dotted for name in procsys.list_names() if not NOT_MAINLINE.match(name.dotted)}
    assert sorted(name for name in shown if catalogue.find(name) is None) == []


def test_catalogue_agrees_with_what_this_kernel_does() -> None:
    """Namespace, access and visibility of each row are those measured, on a kernel of the catalogue's age."""
    facts = probe.measure()
    if not facts.privileged:
        pytest.skip("needs the right to make namespaces without a user namespace: run as root")
    if not facts.release.startswith("6.18."):
        pytest.skip(f"rows were written for Linux 6.18, this is {facts.release}")
    wrong = [d for d in probe.disagreements(facts) if d.by == "catalogue" and not NOT_MAINLINE.match(d.name)]
    assert wrong == []


def test_tables_of_the_chapter_are_complete() -> None:
    """OpenShift's tables 7.4 and 7.5 are in the safe list, and each name has a row."""
    assert safe.documented("7.4") == TABLE_7_4
    assert sorted(safe.documented("7.5")) == sorted(TABLE_7_5)
    for name in (*TABLE_7_4, *TABLE_7_5):
        assert catalogue.find(name) is not None, name


def test_catalogue_every_row_has_words_source_and_a_document() -> None:
    """Summaries are one distinct sentence; sources and links are there."""
    summaries = Counter(row.summary for row in catalogue.every())
    for row in catalogue.every():
        assert 15 <= len(row.summary) <= 160, row.name
        assert row.summary[0].isupper(), row.name
        assert row.source, row.name
        assert re.fullmatch(r"[a-z0-9_/-]+\.html", row.doc.replace("LSM/Yama", "lsm/yama").replace("CFS", "cfs")), (
            row.name
        )
        if row.namespaced_since is not None:
            assert row.namespaced_by, row.name
    repeated = {text for text, count in summaries.items() if count > 2 and not text.startswith("Left over")}
    assert repeated == set()


def test_catalogue_coupled_parameters_exist() -> None:
    """Every name a row points at has a row itself."""
    for row in catalogue.every():
        for other in row.coupled:
            assert catalogue.find(other) is not None, f"{row.name} -> {other}"


def test_catalogue_safe_names_are_namespaced() -> None:
    """What somebody calls safe for pods must belong to a namespace."""
    for row in safe.rows().values():
        parameter = catalogue.find(row.name)
        if parameter is not None:
            assert parameter.namespace in (Namespace.NET, Namespace.IPC), row.name


def test_catalogue_defaults_are_taken_by_this_kernel() -> None:
    """Defaults and explained values fit the row's own shape."""
    for row in catalogue.every():
        if row.default:
            parse_value(row.spec, row.default, name=row.name)
        if row.spec.kind is ValueKind.INTEGER:
            for value, _ in row.meanings:
                parse_value(row.spec, value, name=row.name)


def test_catalogue_ranges_are_not_wider_than_the_kernel() -> None:
    """The bounds of fixed-range parameters are exactly those this kernel keeps."""
    if not namespaces.can_create():
        pytest.skip("needs the right to make namespaces: run as root")
    from podsysctl.kernel import dry_run

    for text in ("net.ipv4.tcp_syn_retries", "net.ipv4.ip_default_ttl", "net.ipv4.tcp_fastopen_blackhole_timeout_sec"):
        row = catalogue.find(text)
        assert row is not None
        assert dry_run.find_range(parse_name(text)) == [(row.spec.minimum, row.spec.maximum)], text


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "column 'type' is missing"),
        ({"type": "integer", "summary": "Has a stop.", "namespace": "net"}, "column 'doc' is missing"),
        ({"surprise": 1}, "unknown columns"),
        ({"namespace": "moon"}, "moon"),
        ({"default": "abc"}, "is not a number"),
        ({"summary": "Two.\nlines"}, "one sentence"),
        ({"doc": "x.rst"}, "ends in .html"),
        ({"namespace": "node", "namespaced_since": "5.1"}, "yet its namespace is node"),
        ({"type": "enum"}, "needs its choices"),
        ({"since": "2.6 or so"}, "not a version"),
        ({"since": "5.2", "namespaced_since": "5.1"}, "namespaced before it exists"),
        ({"since": "2.6.27", "namespaced_since": "2.6.25"}, "namespaced before it exists"),
    ],
)
def test_parse_row_contradiction_is_refused(columns: dict[str, object], message: str) -> None:
    """A row that contradicts itself stops the program instead of misleading it."""
    good = {"summary": "Says something of use", "type": "integer", "namespace": "net", "doc": "a.html", "source": "s"}
    row = columns if not columns or len(columns) == 3 else {**good, **columns}
    with pytest.raises(CatalogueError, match=re.escape(message)):
        catalogue.parse_row("net.core.somaxconn", row)


def test_suggest_typo_gives_the_name_first() -> None:
    """A letter missing, swapped or added still finds the parameter."""
    for typo in ("net.core.somaxcon", "net.core.soamxconn", "net.core.somaxxconn", "net.ipv4.somaxconn"):
        assert "net.core.somaxconn" in catalogue.suggest(typo), typo


def test_find_instance_gives_the_row_of_its_kind() -> None:
    """Interfaces, `all` and `default` share a row."""
    for text in ("net.ipv4.conf.eth0/1.tag", "net.ipv4.conf.all.tag", "net/ipv4/conf/default/tag"):
        row = catalogue.find(text)
        assert row is not None
        assert row.name == "net.ipv4.conf.IFNAME.tag"


def test_catalogue_since_is_told_for_all_but_a_few() -> None:
    """A version is exact or an upper bound; where nothing could be proven it is left out, and `explain` says so."""
    unknown = [row.name for row in catalogue.every() if not row.since_text]
    assert len(unknown) == 12
    # Two that no kernel has, and the loggers, which the kernel numbers instead of naming.
    assert [name for name in unknown if name.startswith("net.")] == [
        "net.ipv6.conf.IFNAME.arp_accept", "net.ipv6.conf.IFNAME.arp_notify", "net.netfilter.nf_log.FAMILY"
    ]  # fmt: skip
    bound = catalogue.find("net.ipv4.tcp_congestion_control")
    assert bound is not None
    assert (bound.since, bound.since_text) == (None, "2.6.18 or older")
    exact = catalogue.find("net.ipv4.tcp_autocorking")
    assert exact is not None
    assert (exact.since, exact.since_text) == (KernelVersion(3, 14), "3.14")
    for row in catalogue.every():
        if "since its introduction" in row.namespaced_by:
            assert row.since_text.removesuffix(" or older") == row.namespaced_since_text, row.name
