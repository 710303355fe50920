"""The sandbox of a pod for the runtime: namespaces, sysctls, resolver, host name, ports. Pure.

The only place that writes pod sysctls into a runtime request (kuberuntime_sandbox.go).
"""

from __future__ import annotations

from typing import Any

from podsysctl.node import labels, security
from podsysctl.node import pod as pods
from podsysctl.node.config import AgentConfig
from podsysctl.node.hostname import DNS, kernel_hostname, pod_dns
from podsysctl.node.paths import NodePaths
from podsysctl.policy import kubelet as kubelet_policy
from podsysctl.runtime import cri_pb2 as cri

_PROTOCOLS = {"TCP": cri.TCP, "UDP": cri.UDP, "SCTP": cri.SCTP}


def build(
    pod: pods.Pod,
    config: AgentConfig,
    paths: NodePaths,
    *,
    attempt: int,
    node_dns: DNS,
    default_sysctls: dict[str, str],
    cgroup_parent: str,
) -> Any:
    """The CRI PodSandboxConfig. `default_sysctls` are the node's own defaults for every pod."""
    out = cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(
            name=pods.name(pod), namespace=pods.namespace(pod), uid=pods.uid(pod), attempt=attempt
        ),
        log_directory=str(paths.pod_logs(pod)),
        labels=labels.sandbox_labels(pod, config.node_name),
        annotations=pods.annotations_of(pod),
        port_mappings=port_mappings(pod),
    )
    if not pods.is_host_network(pod):
        out.hostname = kernel_hostname(pod, config.kubelet.cluster_domain)
    dns = pod_dns(pod, config.kubelet, node_dns)
    out.dns_config.CopyFrom(cri.DNSConfig(servers=dns.servers, searches=dns.searches, options=dns.options))
    out.linux.cgroup_parent = cgroup_parent
    out.linux.sysctls.update(kubelet_policy.sandbox_sysctls(pod, default_sysctls))
    out.linux.security_context.CopyFrom(_security(pod))
    return out


def _security(pod: pods.Pod) -> Any:
    context = pods.security_context(pod)
    out = cri.LinuxSandboxSecurityContext(
        privileged=security.has_privileged_container(pod),
        namespace_options=security.namespace_options(pod),
        supplemental_groups=security.supplemental_groups(pod),
        seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
    )
    if context.get("runAsUser") is not None:
        out.run_as_user.value = int(context["runAsUser"])
    if context.get("runAsGroup") is not None:
        out.run_as_group.value = int(context["runAsGroup"])
    options = context.get("seLinuxOptions") or {}
    for key in ("user", "role", "type", "level"):
        if options.get(key):
            setattr(out.selinux_options, key, options[key])
    return out


def port_mappings(pod: pods.Pod) -> list[Any]:
    """Ports of regular containers; those without a host port are told to the runtime as well."""
    return [
        cri.PortMapping(
            protocol=_PROTOCOLS[port.get("protocol") or "TCP"],
            container_port=int(port["containerPort"]),
            host_port=int(port.get("hostPort") or 0),
            host_ip=port.get("hostIP") or "",
        )
        for container in pods.containers(pod)
        for port in container.get("ports") or ()
    ]
