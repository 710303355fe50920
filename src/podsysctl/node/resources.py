"""A container's cpu, memory and out-of-memory settings for the runtime, from its requests and limits. Pure.

Sources: pkg/kubelet/cm/helpers_linux.go (shares and quota), pkg/kubelet/qos/policy.go (OOM score).
"""

from __future__ import annotations

from typing import Any

from podsysctl.node import amounts
from podsysctl.node import pod as pods
from podsysctl.node.config import KubeletConfiguration
from podsysctl.node.qos import BEST_EFFORT, GUARANTEED, qos_class
from podsysctl.runtime import cri_pb2 as cri

MIN_SHARES = 2
MAX_SHARES = 262144
SHARES_PER_CPU = 1024
MIN_QUOTA_US = 1000

GUARANTEED_OOM = -997
BEST_EFFORT_OOM = 1000


def shares(milli_cpu: int) -> int:
    """cpu.shares of so many thousandths of a processor.

    >>> shares(0), shares(500)
    (2, 512)
    """
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * SHARES_PER_CPU // 1000))


def quota_us(milli_cpu: int, period_us: int) -> int:
    """cfs quota in microseconds per period; 0 means no bound.

    >>> quota_us(500, 100000), quota_us(1, 100000), quota_us(0, 100000)
    (50000, 1000, 0)
    """
    return max(MIN_QUOTA_US, milli_cpu * period_us // 1000) if milli_cpu else 0


def amount(container: pods.Container, group: str, resource: str) -> int:
    """One entry of requests or limits: cpu in thousandths, everything else in its unit; 0 when absent."""
    text = ((container.get("resources") or {}).get(group) or {}).get(resource)
    return 0 if text is None else amounts.of(resource, text)


def effective_limit(pod: pods.Pod, container: pods.Container, resource: str) -> int:
    """A container's limit, else the pod-level one, else 0."""
    own = amount(container, "limits", resource)
    return own or amount(pods.spec(pod), "limits", resource)


def oom_score(pod: pods.Pod, container: pods.Container, memory_bytes: int) -> int:
    """oom_score_adj by quality of service; `memory_bytes` is the node's memory."""
    if pods.spec(pod).get("priorityClassName") == "system-node-critical":
        return GUARANTEED_OOM
    service = qos_class(pod)
    if service == GUARANTEED:
        return GUARANTEED_OOM
    if service == BEST_EFFORT:
        return BEST_EFFORT_OOM
    score = 1000 - 1000 * amount(container, "requests", "memory") // max(1, memory_bytes)
    if pods.is_restartable_init(container) and container in pods.init_containers(pod):
        least = min((amount(c, "requests", "memory") for c in pods.containers(pod)), default=0)
        score = min(score, 1000 - 1000 * least // max(1, memory_bytes))
    return max(1000 + GUARANTEED_OOM, min(score, BEST_EFFORT_OOM - 1))


def linux_resources(
    pod: pods.Pod, container: pods.Container, kubelet: KubeletConfiguration, memory_bytes: int
) -> Any:
    """The CRI LinuxContainerResources."""
    limit = effective_limit(pod, container, "cpu")
    requests = (container.get("resources") or {}).get("requests") or {}
    request = amount(container, "requests", "cpu") if "cpu" in requests else limit
    out = cri.LinuxContainerResources(
        cpu_shares=shares(request),
        memory_limit_in_bytes=effective_limit(pod, container, "memory"),
        oom_score_adj=oom_score(pod, container, memory_bytes),
    )
    if kubelet.cpu_cfs_quota:
        out.cpu_period = int(kubelet.cpu_cfs_quota_period_s * 1_000_000)
        out.cpu_quota = quota_us(limit, out.cpu_period)
    return out
