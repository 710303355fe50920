"""The host name of a pod, its /etc/hosts and its resolver configuration. Pure except for reading resolv.conf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podsysctl.base import limits
from podsysctl.node import pod as pods
from podsysctl.node.config import KubeletConfiguration

HOSTNAME_BYTES = 63
"""Longest host name, one less than the kernel's 64 with its terminator."""

MANAGED_HEADER = "# Kubernetes-managed hosts file.\n"
MANAGED_HEADER_HOST_NETWORK = "# Kubernetes-managed hosts file (host network).\n"
SYSTEMD_STUB = "127.0.0.53"
SYSTEMD_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")
MAX_NAMESERVERS = 3
MAX_SEARCHES = 32


def hostname_and_domain(pod: pods.Pod, cluster_domain: str) -> tuple[str, str]:
    """The pod's short host name and its domain, '' without a subdomain (GeneratePodHostNameAndDomain)."""
    spec = pods.spec(pod)
    override = spec.get("hostnameOverride")
    if override:
        return truncate(override), ""
    hostname = truncate(spec.get("hostname") or pods.name(pod))
    subdomain = spec.get("subdomain")
    domain = f"{subdomain}.{pods.namespace(pod)}.svc.{cluster_domain}" if subdomain else ""
    return hostname, domain


def truncate(hostname: str) -> str:
    """A host name cut to the kernel's length, without a separator at its end."""
    return hostname[:HOSTNAME_BYTES].rstrip("-.")


def kernel_hostname(pod: pods.Pod, cluster_domain: str) -> str:
    """What `hostname` prints in the pod: the short name, or the full one with setHostnameAsFQDN."""
    hostname, domain = hostname_and_domain(pod, cluster_domain)
    if domain and pods.spec(pod).get("setHostnameAsFQDN"):
        return f"{hostname}.{domain}"
    return hostname


def hosts_file(pod: pods.Pod, ips: Sequence[str], cluster_domain: str, node_hosts: str) -> str:
    """The content of the pod's /etc/hosts; `node_hosts` is the node's own, used with hostNetwork."""
    if pods.is_host_network(pod):
        return MANAGED_HEADER_HOST_NETWORK + node_hosts + _aliases(pod)
    hostname, domain = hostname_and_domain(pod, cluster_domain)
    lines = [
        MANAGED_HEADER,
        "127.0.0.1\tlocalhost\n",
        "::1\tlocalhost ip6-localhost ip6-loopback\n",
        "fe00::0\tip6-localnet\n",
        "fe00::0\tip6-mcastprefix\n",
        "fe00::1\tip6-allnodes\n",
        "fe00::2\tip6-allrouters\n",
    ]
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    lines += [f"{ip}\t{names}\n" for ip in ips]
    return "".join(lines) + _aliases(pod)


def _aliases(pod: pods.Pod) -> str:
    aliases = pods.spec(pod).get("hostAliases") or ()
    if not aliases:
        return ""
    lines = ["{}\t{}\n".format(a["ip"], "\t".join(a.get("hostnames") or ())) for a in aliases]
    return "\n# Entries added by HostAliases.\n" + "".join(lines)


@dataclass(slots=True)
class DNS:
    """The lines of a resolv.conf."""

    servers: list[str] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


def parse_resolv_conf(text: str) -> DNS:
    """Read resolv.conf(5); unknown lines are ignored."""
    out = DNS()
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and len(words) > 1:
            out.servers.append(words[1])
        elif words[0] in ("search", "domain"):
            out.searches = words[1:]
        elif words[0] == "options":
            out.options = words[1:]
    return out


def read_node_dns(configured: str) -> DNS:
    """The node's own resolver configuration; systemd-resolved's stub is replaced by what stands behind it."""
    path = Path(configured or "/etc/resolv.conf")
    dns = parse_resolv_conf(_read(path))
    if not configured and dns.servers == [SYSTEMD_STUB] and SYSTEMD_RESOLV_CONF.exists():
        dns = parse_resolv_conf(_read(SYSTEMD_RESOLV_CONF))
    return dns


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[: limits.LOG_LINE_BYTES]
    except FileNotFoundError:
        return ""


def pod_dns(pod: pods.Pod, kubelet: KubeletConfiguration, node: DNS) -> DNS:
    """The resolver configuration of a pod by its dnsPolicy and dnsConfig (pkg/kubelet/network/dns).

    ClusterFirst falls back to the node's own when the kubelet has no cluster DNS.
    """
    spec = pods.spec(pod)
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pods.is_host_network(pod))
    if policy == "None":
        out = DNS()
    elif cluster and kubelet.cluster_dns:
        domain = kubelet.cluster_domain
        searches = [f"{pods.namespace(pod)}.svc.{domain}", f"svc.{domain}", domain] if domain else []
        out = DNS(list(kubelet.cluster_dns), searches + node.searches, ["ndots:5"])
    else:
        out = DNS(list(node.servers), list(node.searches), list(node.options))
    _add_config(out, spec.get("dnsConfig") or {})
    out.servers = list(dict.fromkeys(out.servers))[:MAX_NAMESERVERS]
    out.searches = list(dict.fromkeys(out.searches))[:MAX_SEARCHES]
    return out


def _add_config(out: DNS, config: dict[str, Any]) -> None:
    out.servers += config.get("nameservers") or []
    out.searches += config.get("searches") or []
    options = {o.partition(":")[0]: o.partition(":")[2] for o in out.options}
    for option in config.get("options") or ():
        options[option["name"]] = option.get("value") or ""
    out.options = [f"{name}:{value}" if value else name for name, value in options.items()]
