"""The kubelet's sysctl gate: patterns, safe lists by kernel, messages, default pod sysctls."""

from __future__ import annotations

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.base.versions import KernelVersion
from podsysctl.policy import kubelet
from tests.policy.builders import pod, with_sysctls

NEW = KernelVersion(6, 1)
REGEX = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]"


@pytest.mark.parametrize(
    "pattern",
    [
        "kernel.msg*", "kernel.shm*", "kernel.sem", "kernel.sem*", "kernel.shmmax*", "net.*",
        "net.core.somaxconn", "net.ipv4.tcp_*", "fs.mqueue.*", "kernel/msg*",
    ],
)  # fmt: skip
def test_allowlist_namespaced_pattern_accepted(pattern: str) -> None:
    """An entry whose prefix is in upstream's namespace table lets the kubelet start."""
    kubelet.Allowlist.parse([pattern], NEW)


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("kernel.*", "kernel."), ("kernel.msgm*", "kernel.msgm"), ("kernel.shm_*", "kernel.shm_"),
        ("net*", "net"), ("*", ""), ("fs.mqueue*", "fs.mqueue"), ("fs.*", "fs."),
        ("vm.swappiness", "vm.swappiness"), ("user.*", "user."), ("kernel.hostname", "kernel.hostname"),
        ("kernel.shm_next_id", "kernel.shm_next_id"), ("foo", "foo"),
    ],
)  # fmt: skip
def test_allowlist_node_level_pattern_refused(pattern: str, named: str) -> None:
    """An entry outside the namespace table stops the kubelet, naming what stands before the star."""
    with pytest.raises(UsageError) as caught:
        kubelet.Allowlist.parse([pattern], NEW)
    assert caught.value.message == f'the sysctls "{named}" are not known to be namespaced'


@pytest.mark.parametrize("pattern", [" kernel.msg*", "net.-", "net.*.foo", "net.a*b", "", "net.*\n", "n" * 254])
def test_allowlist_malformed_pattern_refused(pattern: str) -> None:
    """An entry of the wrong form stops the kubelet with the length and the regex in the message."""
    with pytest.raises(UsageError) as caught:
        kubelet.Allowlist.parse([pattern], NEW)
    shown = pattern.replace("\n", "\\n")
    assert caught.value.message == f'sysctl "{shown}" must have at most 253 characters and match regex {REGEX}'


def test_allowlist_length_253_accepted_254_refused() -> None:
    """The bound is 253 bytes."""
    kubelet.Allowlist.parse(["net." + "a" * 249], NEW)
    with pytest.raises(UsageError):
        kubelet.Allowlist.parse(["net." + "a" * 250], NEW)


SAFE_BY_KERNEL = [
    ("net.ipv4.ip_local_reserved_ports", (3, 15), (3, 16)),
    ("net.ipv4.tcp_keepalive_time", (4, 4), (4, 5)),
    ("net.ipv4.tcp_keepalive_intvl", (4, 4), (4, 5)),
    ("net.ipv4.tcp_keepalive_probes", (4, 4), (4, 5)),
    ("net.ipv4.tcp_fin_timeout", (4, 5), (4, 6)),
    ("net.ipv4.tcp_rmem", (4, 14), (4, 15)),
    ("net.ipv4.tcp_wmem", (4, 14), (4, 15)),
]


@pytest.mark.parametrize(("name", "before", "first"), SAFE_BY_KERNEL)
def test_safe_sysctl_follows_kernel_version(name: str, before: tuple[int, int], first: tuple[int, int]) -> None:
    """A safe name with a minimum kernel is refused by the last kernel below it and allowed from it on."""
    target = with_sysctls(pod(), name)
    refused = kubelet.Allowlist.parse([], KernelVersion(*before)).check(target)
    assert refused == f'forbidden sysctl: "{name}" not allowlisted'
    assert kubelet.Allowlist.parse([], KernelVersion(*first)).check(target) is None


@pytest.mark.parametrize(
    "name", ["net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"]
)  # fmt: skip
def test_safe_sysctl_of_kubelet_1_37_refused_by_1_36(name: str) -> None:
    """The two names that 1.37 added are unsafe for a 1.36 kubelet."""
    target = with_sysctls(pod(), name)
    assert kubelet.Allowlist.parse([], NEW, kubelet_minor=36).check(target) is not None
    assert kubelet.Allowlist.parse([], NEW, kubelet_minor=37).check(target) is None


def test_safe_sysctls_without_kernel_version_are_five() -> None:
    """An unknown kernel leaves only the names that need none."""
    assert len(kubelet.safe_names(None)) == 5
    assert len(kubelet.safe_names(KernelVersion(6, 1), 36)) == 12
    assert len(kubelet.safe_names(KernelVersion(6, 1), 37)) == 14


def test_check_chapter_pod_names_first_offender_only() -> None:
    """Only the first refused entry in spec order is reported."""
    target = with_sysctls(pod(), "kernel.shm_rmid_forced", "net.core.somaxconn", "kernel.msgmax")
    assert kubelet.Allowlist.parse([], NEW).check(target) == ('forbidden sysctl: "net.core.somaxconn" not allowlisted')
    assert kubelet.Allowlist.parse(["net.core.somaxconn"], NEW).check(target) == (
        'forbidden sysctl: "kernel.msgmax" not allowlisted'
    )
    assert kubelet.Allowlist.parse(["net.core.somaxconn", "kernel.msg*"], NEW).check(target) is None


def test_check_slash_name_reported_in_dot_form() -> None:
    """Messages show the normalised name."""
    target = with_sysctls(pod(), "net/ipv4/conf/eno2.100/rp_filter")
    assert kubelet.Allowlist.parse([], NEW).check(target) == (
        'forbidden sysctl: "net.ipv4.conf.eno2/100.rp_filter" not allowlisted'
    )
    assert kubelet.Allowlist.parse(["net.ipv4.conf.*"], NEW).check(target) is None


@pytest.mark.parametrize(
    ("name", "field", "word"),
    [
        ("net.ipv4.tcp_syncookies", "hostNetwork", "Net"),
        ("net.core.somaxconn", "hostNetwork", "Net"),
        ("kernel.shm_rmid_forced", "hostIPC", "IPC"),
        ("kernel.msgmax", "hostIPC", "IPC"),
    ],
)
def test_check_host_namespace_refuses_even_allowed_names(name: str, field: str, word: str) -> None:
    """A pod that shares the host's namespace may not set that namespace's sysctls."""
    allow = kubelet.Allowlist.parse(["net.*", "kernel.msg*"], NEW)
    assert allow.check(with_sysctls(pod(), name)) is None
    message = allow.check(with_sysctls(pod(**{field: True}), name))
    assert message == f'forbidden sysctl: "{name}" not allowed with host {word} enabled'


def test_check_prefix_is_plain_text() -> None:
    """`kernel.shm*` admits every name with that beginning; a trailing dot is part of the prefix."""
    allow = kubelet.Allowlist.parse(["kernel.shm*", "net.ipv4.*"], NEW)
    assert allow.check_name("kernel.shm_next_id") is None
    assert allow.check_name("net.ipv4x") == '"net.ipv4x" not allowlisted'
    assert allow.find("net.ipv4.tcp_rmem") == ("net.ipv4.tcp_rmem", kubelet.KernelNamespace.NET)
    assert allow.find("net.ipv4.tcp_mem") == ("net.ipv4.*", kubelet.KernelNamespace.NET)


@pytest.mark.parametrize("spec", [{}, {"securityContext": None}, {"securityContext": {"sysctls": None}}])
def test_check_pod_without_sysctls_allowed(spec: dict[str, None]) -> None:
    """A pod without sysctls is not the gate's business."""
    assert kubelet.Allowlist.parse([], None).check(pod(**spec)) is None


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("kernel/sem", "kernel.sem"), ("a/b.c", "a.b/c"), ("net.ipv4.conf.eno2/100.rp_filter",) * 2,
        ("abc", "abc"), ("", ""),
    ],
)  # fmt: skip
def test_normalize_name_swaps_when_slash_comes_first(raw: str, normal: str) -> None:
    """The first separator decides which of the two spellings a name has."""
    assert kubelet.normalize_name(raw) == normal


DEFAULTS = {"net.core.somaxconn": "1024", "kernel/msgmax": "65536", "user.max_user_namespaces": "10"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"net.core.somaxconn", "kernel.msgmax"}),
        ({"hostUsers": False}, {"net.core.somaxconn", "kernel.msgmax", "user.max_user_namespaces"}),
        ({"hostUsers": True}, {"net.core.somaxconn", "kernel.msgmax"}),
        ({"hostNetwork": True}, {"kernel.msgmax"}),
        ({"hostIPC": True}, {"net.core.somaxconn"}),
    ],
)
def test_sandbox_sysctls_default_skipped_in_host_namespace(spec: dict[str, bool], expected: set[str]) -> None:
    """A node default applies only where the pod has that namespace to itself."""
    defaults = kubelet.parse_default_pod_sysctls(DEFAULTS)
    assert set(kubelet.sandbox_sysctls(pod(**spec), defaults)) == expected


def test_sandbox_sysctls_pod_value_beats_default() -> None:
    """The pod's own value wins, whichever way it is spelled."""
    defaults = kubelet.parse_default_pod_sysctls(DEFAULTS)
    target = with_sysctls(pod(), "net/core/somaxconn", value="7")
    assert kubelet.sandbox_sysctls(target, defaults)["net.core.somaxconn"] == "7"


@pytest.mark.parametrize(
    "configured",
    [
        {"vm.swappiness": "1"},
        {"net.*": "1"},
        {"Bad": "1"},
        {"kernel.sem": "1", "kernel/sem": "2"},
        {"kernel.shm": "1"},
    ],
)
def test_default_pod_sysctls_bad_key_stops_kubelet(configured: dict[str, str]) -> None:
    """A malformed, node-level or repeated name is a configuration no kubelet starts with."""
    with pytest.raises(UsageError, match="defaultPodSysctls"):
        kubelet.parse_default_pod_sysctls(configured)
