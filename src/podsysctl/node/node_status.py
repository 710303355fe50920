"""The Node object of this agent: labels, capacity, addresses, node information and conditions. Pure.

Reasons and messages are the kubelet's (pkg/kubelet/nodestatus/setters.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.versions import KUBERNETES_VERSION
from podsysctl.node.config import AgentConfig
from podsysctl.node.machine import Machine

Node = dict[str, Any]

_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
_EVICTION_MEMORY_BYTES = 100 * 1024 * 1024
"""Memory kept back for the node, the kubelet's default hard eviction threshold."""

_EVICTION_DISK_PART = 0.1


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """Name, version and present problem ('' for none) of the container runtime, and images on the node.

    `handlers` and `features` are what it can do, as the Node shows them; None when it could not be asked.
    """

    name: str
    version: str
    problem: str = ""
    images: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    handlers: tuple[Mapping[str, Any], ...] | None = None
    features: Mapping[str, bool] | None = None


def capacity(machine: Machine, config: AgentConfig) -> dict[str, str]:
    """What the node has."""
    out = {
        "cpu": str(machine.processors),
        "ephemeral-storage": f"{machine.disk_bytes // 1024}Ki",
        "memory": f"{machine.memory_bytes // 1024}Ki",
        "pods": str(config.kubelet.max_pods),
    }
    return out | {name: _pages(size_bytes) for name, size_bytes in machine.huge_pages.items()}


def _pages(size_bytes: int) -> str:
    return f"{size_bytes // 1024}Ki" if size_bytes else "0"


def allocatable_amounts(machine: Machine, config: AgentConfig) -> dict[str, int]:
    """What pods may use: cpu in thousandths, everything else in units."""
    huge = sum(machine.huge_pages.values())
    memory = machine.memory_bytes - config.reserved("memory") - _EVICTION_MEMORY_BYTES - huge
    disk = int(machine.disk_bytes * (1 - _EVICTION_DISK_PART)) - config.reserved("ephemeral-storage")
    out = {
        "cpu": max(0, machine.processors * 1000 - config.reserved("cpu")),
        "ephemeral-storage": max(0, disk),
        "memory": max(0, memory),
        "pods": config.kubelet.max_pods,
    }
    return out | machine.huge_pages


def allocatable(machine: Machine, config: AgentConfig) -> dict[str, str]:
    """`status.allocatable`."""
    amounts = allocatable_amounts(machine, config)
    out = {}
    for name, amount in amounts.items():
        if name == "cpu":
            out[name] = str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
        elif name == "memory":
            out[name] = f"{amount // 1024}Ki"
        elif name.startswith("hugepages-"):
            out[name] = _pages(amount)
        else:
            out[name] = str(amount)
    return out


def default_labels(config: AgentConfig, machine: Machine) -> dict[str, str]:
    """The labels every node has; a node that is registered again gets these back, and keeps its others."""
    return {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": config.shown_hostname,
        "kubernetes.io/os": "linux",
    }


def initial(config: AgentConfig, machine: Machine) -> Node:
    """The object as it is first registered, without status."""
    labels = {**default_labels(config, machine), **config.labels}
    metadata: dict[str, Any] = {"name": config.node_name, "labels": labels}
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true", **config.annotations}
    metadata["annotations"] = annotations
    spec: dict[str, Any] = {}
    taints = [*config.taints, *config.kubelet.register_with_taints]
    if taints:
        spec["taints"] = [dict(taint) for taint in taints]
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


def status(
    config: AgentConfig,
    machine: Machine,
    runtime: RuntimeFacts,
    addresses: Iterable[str],
    previous: Mapping[str, Any],
    now: str,
) -> dict[str, Any]:
    """The whole `status`; `previous` gives the times of conditions that did not change."""
    out: dict[str, Any] = {
        "addresses": [{"type": "InternalIP", "address": address} for address in addresses],
        "allocatable": allocatable(machine, config),
        "capacity": capacity(machine, config),
        "conditions": _conditions(runtime, previous, now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": config.kubelet_port}},
        "images": [dict(image) for image in runtime.images],
        "nodeInfo": {
            "architecture": machine.architecture,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": f"{runtime.name}://{runtime.version}",
            "kernelVersion": machine.kernel_version,
            "kubeProxyVersion": "",
            "kubeletVersion": KUBERNETES_VERSION,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": machine.os_image,
            "systemUUID": machine.system_uuid,
        },
    }
    if runtime.handlers is not None:
        out["runtimeHandlers"] = [dict(handler) for handler in runtime.handlers]
    if runtime.features is not None:
        out["features"] = dict(runtime.features)
    out["addresses"].append({"type": "Hostname", "address": config.shown_hostname})
    return out


def _conditions(runtime: RuntimeFacts, previous: Mapping[str, Any], now: str) -> list[dict[str, Any]]:
    wanted = [(kind, "False", reason, message) for kind, reason, message in _PRESSURES]
    if runtime.problem:
        wanted.append(("Ready", "False", "KubeletNotReady", runtime.problem))
    else:
        wanted.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    old = {c["type"]: c for c in previous.get("conditions") or ()}
    ours = {kind for kind, *_ in wanted}
    out = [dict(c) for c in previous.get("conditions") or () if c["type"] not in ours]
    for kind, value, reason, message in wanted:
        before = old.get(kind)
        same = before is not None and before["status"] == value
        out.append(
            {
                "type": kind,
                "status": value,
                "lastHeartbeatTime": now,
                "lastTransitionTime": before["lastTransitionTime"] if same and before else now,
                "reason": reason,
                "message": message,
            }
        )
    return out


def is_ready(status_: Mapping[str, Any]) -> bool:
    """Whether a node status says Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status_.get("conditions") or ())


def has_groups_policy(node: Mapping[str, Any]) -> bool:
    """Whether the node's runtime knows supplementalGroupsPolicy."""
    return bool(((node.get("status") or {}).get("features") or {}).get("supplementalGroupsPolicy"))


def has_recursive_read_only(node: Mapping[str, Any], handler: str) -> bool:
    """Whether a handler of the node's runtime ('' for the default one) makes mounts below a mount read-only, too."""
    handlers = (node.get("status") or {}).get("runtimeHandlers") or ()
    features = next((h.get("features") for h in handlers if h.get("name", "") == handler), None)
    return bool((features or {}).get("recursiveReadOnlyMounts"))


def differs(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two statuses differ in more than heartbeats; `old` as an API gives it."""
    return _without_heartbeats(old) != _without_heartbeats(new)


def _without_heartbeats(status_: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(status_)
    for name in ("images", "runtimeHandlers"):
        if not out.get(name):
            out.pop(name, None)  # an API shows no empty list
    out["conditions"] = [
        {k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in status_.get("conditions") or ()
    ]
    return out
