"""What a pod's annotations ask for: additional networks in both of Multus's forms, and sysctls of interfaces. Pure.

Source: multus-cni pkg/k8sclient/k8sclient.go, pkg/types/types.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import UsageError
from podsysctl.node import pod as pods
from podsysctl.policy import interface
from podsysctl.policy.interface import INTERFACE_SYSCTLS, NETWORKS, Attachment

DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
PRIMARY = "eth0"


@dataclass(frozen=True, slots=True)
class Selection:
    """The additional networks in order, and values by interface and key."""

    attachments: tuple[Attachment, ...] = ()
    sysctls: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Does the pod ask for nothing?"""
        return not self.attachments and not self.sysctls


def of_pod(pod: pods.Pod) -> Selection:
    """Read the annotations. Raises UsageError in Multus's words where it has some."""
    annotations = pods.annotations_of(pod)
    wanted, sysctls = annotations.get(NETWORKS, ""), annotations.get(INTERFACE_SYSCTLS, "")
    if pods.is_host_network(pod):
        if sysctls:
            raise UsageError(f"annotation {INTERFACE_SYSCTLS}: a pod in the host's network has no interface of its own")
        return Selection()  # Multus is not asked for such a pod either
    if annotations.get(DEFAULT_NETWORK):
        raise UsageError(
            f"annotation {DEFAULT_NETWORK} is not supported: the runtime has already attached its own default network"
        )
    attachments = interface.parse_networks(wanted, pods.namespace(pod)) if wanted else []
    _check(attachments)
    return Selection(tuple(attachments), interface.parse_interface_sysctls(sysctls) if sysctls else {})


def _check(attachments: list[Attachment]) -> None:
    if len(attachments) > limits.CNI_NETWORKS_PER_POD:
        most = limits.CNI_NETWORKS_PER_POD
        raise UsageError(f"the pod asks for {len(attachments)} networks, at most {most} are allowed")
    seen = {PRIMARY, "lo"}
    for attachment in attachments:
        if not attachment.name or not isinstance(attachment.name, str):
            raise UsageError("parsePodNetworkAnnotation: a network of the annotation has no name")
        problem = interface.problem_of_interface(attachment.interface)
        if problem:
            raise UsageError(f"network {attachment.namespace}/{attachment.name}: {problem}")
        if attachment.interface in seen:
            raise UsageError(
                f"network {attachment.namespace}/{attachment.name}: interface {attachment.interface} is taken already"
            )
        seen.add(attachment.interface)


def runtime_configuration(entry: Any) -> dict[str, Any]:
    """What an element of the annotation gives plugins that declare the capability: ips, mac and the others."""
    names = {
        "ips": "ips", "mac": "mac", "portMappings": "portMappings", "bandwidth": "bandwidth",
        "infiniband-guid": "infinibandGUID",
    }  # fmt: skip
    return {capability: entry[key] for key, capability in names.items() if entry.get(key)}
