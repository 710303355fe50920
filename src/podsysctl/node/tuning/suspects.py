"""Who could have changed a parameter behind a profile's back: everybody on this machine who is known to set it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from podsysctl.kernel import settings
from podsysctl.node import pod as pods
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.value import values_equal

KUBE_PROXY = frozenset(
    {
        "net.ipv4.conf.all.route_localnet",
        "net.ipv4.vs.conn_reuse_mode",
        "net.ipv4.vs.conntrack",
        "net.ipv4.vs.expire_nodest_conn",
        "net.ipv4.vs.expire_quiescent_template",
        "net.netfilter.nf_conntrack_max",
        "net.netfilter.nf_conntrack_tcp_be_liberal",
        "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
        "net.netfilter.nf_conntrack_tcp_timeout_established",
        "net.netfilter.nf_conntrack_udp_timeout",
        "net.netfilter.nf_conntrack_udp_timeout_stream",
    }
)
"""What a kube-proxy sets. Source: kubernetes cmd/kube-proxy/app/conntrack.go, pkg/proxy/iptables and ipvs."""

MOST_PODS = 3
"""Privileged pods that are named although nothing says they touch the parameter."""


def find(name: SysctlName, live: str, running: Iterable[dict[str, Any]], root: Path = Path("/")) -> list[str]:
    """Hints, the best ones first: those that would have set the very value there is now."""
    sure: list[str] = []
    perhaps: list[str] = []
    for source in settings.of_host(name, root):
        if source.kind == settings.KUBELET:
            continue
        same = values_equal(None, source.value, live)
        (sure if same else perhaps).append(f"{source.where} ({source.kind}), which sets {source.value}")
    wanted = settings.KUBELET_VALUES.get(name.dotted)
    if wanted is not None:
        text = f"a kubelet without protectKernelDefaults, which sets {wanted} when it starts"
        (sure if values_equal(None, wanted, live) else perhaps).append(text)
    if name.dotted in KUBE_PROXY:
        perhaps.append("a kube-proxy, which sets it when it starts")
    others = []
    for pod in running:
        if not _is_privileged(pod):
            continue
        if _mentions(pod, name):
            sure.append(f"privileged pod {pods.namespace(pod)}/{pods.name(pod)}, whose command names it")
        else:
            others.append(f"privileged pod {pods.namespace(pod)}/{pods.name(pod)}")
    return [*sure, *perhaps, *others[:MOST_PODS]]


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pods.init_containers(pod), *pods.containers(pod)]


def _is_privileged(pod: dict[str, Any]) -> bool:
    return any((item.get("securityContext") or {}).get("privileged") is True for item in _containers(pod))


def _mentions(pod: dict[str, Any], name: SysctlName) -> bool:
    words = [str(word) for item in _containers(pod) for key in ("command", "args") for word in item.get(key) or ()]
    return any(name.dotted in word or name.slashed in word for word in words)
