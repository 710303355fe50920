"""What one node agent is told: who it is, where its files lie, and its KubeletConfiguration."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from podsysctl.base import limits
from podsysctl.base.errors import UsageError
from podsysctl.node import amounts

KUBELET_PORT = 10250


@dataclass(frozen=True, slots=True)
class KubeletConfiguration:
    """The fields of kubelet.config.k8s.io/v1beta1 that this agent obeys; defaults are the kubelet's.

    Durations are seconds. Fields that are not here are accepted and have no effect.
    """

    allowed_unsafe_sysctls: tuple[str, ...] = ()
    default_pod_sysctls: Mapping[str, str] = field(default_factory=dict)
    max_pods: int = 110
    pod_pids_limit: int = -1
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = ""
    resolv_conf: str = ""
    cgroup_driver: str = "cgroupfs"
    cgroup_root: str = ""
    cpu_cfs_quota: bool = True
    cpu_cfs_quota_period_s: float = 0.1
    seccomp_default: bool = False
    protect_kernel_defaults: bool = False
    serialize_image_pulls: bool = True
    max_parallel_image_pulls: int = 0
    system_reserved: Mapping[str, str] = field(default_factory=dict)
    kube_reserved: Mapping[str, str] = field(default_factory=dict)
    crash_loop_maximum_s: float = 300.0
    register_with_taints: tuple[Mapping[str, str], ...] = ()
    node_status_report_s: float = 300.0
    node_status_update_s: float = 10.0
    lease_duration_s: int = 40


def parse_kubelet_configuration(document: Mapping[str, Any]) -> KubeletConfiguration:
    """Read a decoded KubeletConfiguration. Raises UsageError naming the field that cannot be understood."""
    kind = document.get("kind", "KubeletConfiguration")
    if kind != "KubeletConfiguration":
        raise UsageError(f"kubelet configuration: kind is {kind!r}, it must be KubeletConfiguration")
    read = _Reader(document)
    restart_period_s = read.section("crashLoopBackOff").duration("maxContainerRestartPeriod", 300.0)
    if restart_period_s < 1:
        raise UsageError("kubelet configuration: crashLoopBackOff.maxContainerRestartPeriod must be at least 1s")
    # Of numbers that are no pointers in Go, zero is nothing said (v1beta1/defaults.go).
    lease_s = read.integer("nodeLeaseDurationSeconds", 40) or 40
    if lease_s < 0:
        raise UsageError("kubelet configuration: nodeLeaseDurationSeconds must be greater than 0")
    return KubeletConfiguration(
        allowed_unsafe_sysctls=read.strings("allowedUnsafeSysctls"),
        default_pod_sysctls=read.mapping("defaultPodSysctls"),
        max_pods=read.integer("maxPods", 110) or 110,
        pod_pids_limit=read.integer("podPidsLimit", -1),
        cluster_dns=read.strings("clusterDNS"),
        cluster_domain=read.string("clusterDomain", ""),
        resolv_conf=read.string("resolvConf", ""),
        cgroup_driver=read.string("cgroupDriver", "cgroupfs"),
        cgroup_root=read.string("cgroupRoot", ""),
        cpu_cfs_quota=read.boolean("cpuCFSQuota", True),
        cpu_cfs_quota_period_s=read.duration("cpuCFSQuotaPeriod", 0.1) or 0.1,
        seccomp_default=read.boolean("seccompDefault", False),
        protect_kernel_defaults=read.boolean("protectKernelDefaults", False),
        serialize_image_pulls=read.boolean("serializeImagePulls", True),
        max_parallel_image_pulls=read.integer("maxParallelImagePulls", 0),
        system_reserved=read.mapping("systemReserved"),
        kube_reserved=read.mapping("kubeReserved"),
        crash_loop_maximum_s=restart_period_s,
        register_with_taints=read.mappings("registerWithTaints"),
        node_status_report_s=read.duration("nodeStatusReportFrequency", 300.0) or 300.0,
        node_status_update_s=read.duration("nodeStatusUpdateFrequency", 10.0) or 10.0,
        lease_duration_s=lease_s,
    )


def load_kubelet_configuration(path: Path) -> KubeletConfiguration:
    """Read a KubeletConfiguration file, YAML or JSON. Raises UsageError with the file's name."""
    try:
        size = path.stat().st_size
        text = path.read_text()
    except OSError as error:
        raise UsageError(f"kubelet configuration {path}: {error.strerror}") from error
    if size > limits.YAML_DOCUMENT_BYTES:
        raise UsageError(f"kubelet configuration {path} has more than {limits.YAML_DOCUMENT_BYTES} bytes")
    try:
        document = _document(text)
    except yaml.YAMLError as error:
        raise UsageError(f"kubelet configuration {path}: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"kubelet configuration {path} is not a mapping")
    return parse_kubelet_configuration(document)


@lru_cache(maxsize=16)
def _document(text: str) -> Any:
    """The nodes of a pool have one text; reading it costs more than all else of a new configuration."""
    return yaml.safe_load(text) or {}


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def strings(self, key: str) -> tuple[str, ...]:
        value = self._document.get(key) or ()
        if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, str) for v in value):
            raise UsageError(f"kubelet configuration: {key} must be a list of strings")
        return tuple(value)

    def mapping(self, key: str) -> dict[str, str]:
        return _strings(self._document.get(key) or {}, key)

    def mappings(self, key: str) -> tuple[dict[str, str], ...]:
        value = self._document.get(key) or ()
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise UsageError(f"kubelet configuration: {key} must be a list")
        return tuple(_strings(entry, f"each of {key}") for entry in value)

    def section(self, key: str) -> _Reader:
        value = self._document.get(key) or {}
        if not isinstance(value, Mapping):
            raise UsageError(f"kubelet configuration: {key} must be a mapping")
        return _Reader(value)

    def boolean(self, key: str, default: bool) -> bool:
        value = self._document.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise UsageError(f"kubelet configuration: {key} must be true or false, it is {value!r}")
        return value

    def string(self, key: str, default: str) -> str:
        value = self._document.get(key)
        return default if value is None else str(value)

    def integer(self, key: str, default: int) -> int:
        value = self._document.get(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise UsageError(f"kubelet configuration: {key} must be an integer, it is {value!r}")
        return value

    def duration(self, key: str, default: float) -> float:
        value = self._document.get(key)
        if value is None or value == "":
            return default
        return parse_duration(str(value), key)


def _strings(value: Any, label: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise UsageError(f"kubelet configuration: {label} must be a mapping of strings")
    return {str(k): str(v) for k, v in value.items()}


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, field_name: str) -> float:
    """A Go duration such as 1m30s in seconds. Raises UsageError naming the field.

    >>> parse_duration("1m30s", "x"), parse_duration("100ms", "x")
    (90.0, 0.1)
    """
    if text == "0":
        return 0.0
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"kubelet configuration: {field_name}: {text!r} is not a duration such as 1m30s")
    return math.fsum(float(number) * _UNITS[unit] for number, unit in parts)


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """One node: its name, its files, its addresses and how it presents itself.

    `root` holds the node's volumes, logs and checkpoints. `kubelet_port` is where the node's HTTPS endpoint
    listens. `labels` and `taints` are given to the Node object when it is first registered.
    `max_sandbox_starts` bounds how many sandboxes are made at once.
    """

    node_name: str
    root: Path
    node_ips: tuple[str, ...] = ()
    hostname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    kubelet: KubeletConfiguration = field(default_factory=KubeletConfiguration)
    kubelet_port: int = KUBELET_PORT
    max_sandbox_starts: int = 4
    image_aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_hostname(self) -> str:
        """The node's host name, its own name unless told otherwise."""
        return self.hostname or self.node_name

    def reserved(self, resource: str) -> int:
        """What is set aside of cpu (millicores), memory or storage (bytes) for the system."""
        given = (self.kubelet.system_reserved.get(resource), self.kubelet.kube_reserved.get(resource))
        return sum(amounts.of(resource, text) for text in given if text)
