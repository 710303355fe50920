"""The safe lists: each consumer's own, with both sides of every version boundary."""

from __future__ import annotations

import pytest

from podsysctl.base.versions import ClusterVersion, KernelVersion
from podsysctl.sysctls import safe

CLASSIC = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)


def test_kubelet_safe_unknown_kernel_leaves_the_five_that_need_none() -> None:
    """A kubelet that cannot tell its kernel trusts only what every kernel isolates."""
    assert safe.kubelet_safe(None) == CLASSIC


@pytest.mark.parametrize(
    ("name", "refuses", "allows"),
    [
        ("net.ipv4.ip_local_reserved_ports", (3, 15), (3, 16)),
        ("net.ipv4.tcp_keepalive_time", (4, 4), (4, 5)),
        ("net.ipv4.tcp_keepalive_intvl", (4, 4), (4, 5)),
        ("net.ipv4.tcp_keepalive_probes", (4, 4), (4, 5)),
        ("net.ipv4.tcp_fin_timeout", (4, 5), (4, 6)),
        ("net.ipv4.tcp_rmem", (4, 14), (4, 15)),
        ("net.ipv4.tcp_wmem", (4, 14), (4, 15)),
    ],
)
def test_kubelet_safe_kernel_boundary(name: str, refuses: tuple[int, int], allows: tuple[int, int]) -> None:
    """The last kernel that refuses and the first that allows."""
    assert name not in safe.kubelet_safe(KernelVersion(*refuses))
    assert name in safe.kubelet_safe(KernelVersion(*allows))


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("net.ipv4.ip_local_reserved_ports", 27),
        ("net.ipv4.tcp_keepalive_time", 29),
        ("net.ipv4.tcp_rmem", 32),
        ("net.ipv4.tcp_notsent_lowat", 37),
    ],
)
def test_pod_security_and_kubelet_version_boundary(name: str, since: int) -> None:
    """The last Kubernetes that refuses and the first that allows, for both consumers."""
    kernel = KernelVersion(6, 18)
    assert name not in safe.pod_security_safe(ClusterVersion(1, since - 1))
    assert name in safe.pod_security_safe(ClusterVersion(1, since))
    assert name not in safe.kubelet_safe(kernel, ClusterVersion(1, since - 1))
    assert name in safe.kubelet_safe(kernel, ClusterVersion(1, since))


def test_safe_list_sizes_are_those_counted_by_hand() -> None:
    """Upstream's lists have these lengths in Kubernetes 1.36, and 1.37 for the last."""
    kernel = KernelVersion(6, 18)
    assert len(safe.kubelet_safe(kernel)) == 12
    assert len(safe.scc_safe(kernel)) == 12
    assert len(safe.scc_safe(None)) == 9
    assert len(safe.pod_security_safe()) == 12
    assert len(safe.pod_security_safe(ClusterVersion(1, 0))) == 5
    assert len(safe.pod_security_safe(ClusterVersion(1, 37))) == 14
    assert len(safe.interface_safe()) == 18
    assert len(safe.documented("7.4")) == 5
    assert len(safe.documented("7.5")) == 14


def test_pod_security_versions_are_where_the_set_grew() -> None:
    """Policies between two of these are alike."""
    assert [version.minor for version in safe.pod_security_versions()] == [0, 27, 29, 32, 37]
