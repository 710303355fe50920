"""Prefers nodes whose kubelet accepts a pod's sysctls.

A node publishes its allowed unsafe sysctls in an annotation; its kernel stands in nodeInfo. A preference only:
a pod that no node accepts is still bound, and then refused by its node with SysctlForbidden.
"""

from __future__ import annotations

from functools import lru_cache

from podsysctl.base.errors import PodsysctlError
from podsysctl.base.versions import KernelVersion, parse_kernel_version
from podsysctl.policy import kubelet
from podsysctl.scheduler.nodeinfo import NodeInfo
from podsysctl.scheduler.podinfo import PodInfo

ALLOWED_ANNOTATION = "podsysctl.dev/allowed-unsafe-sysctls"
"""On a Node: its kubelet's allowedUnsafeSysctls, joined by commas; may be empty."""

WEIGHT = 10
"""More than all else together: a place where the pod runs beats every place where it does not."""

ACCEPTED, NEUTRAL, REFUSED = 100.0, 50.0, 0.0


@lru_cache(maxsize=256)
def _allowlist(allowed: str, kernel: KernelVersion | None) -> kubelet.Allowlist | None:
    patterns = tuple(part for part in allowed.split(",") if part)
    try:
        return kubelet.Allowlist.parse(patterns, kernel)
    except PodsysctlError:
        return None


def score(pod: PodInfo, node: NodeInfo) -> float:
    """100 when the node would admit the pod's sysctls, 0 when it would not, 50 when it does not say."""
    if not (pod.spec.get("securityContext") or {}).get("sysctls") or node.node is None:
        return NEUTRAL
    allowed = (node.node["metadata"].get("annotations") or {}).get(ALLOWED_ANNOTATION)
    if allowed is None:
        return NEUTRAL
    allowlist = _allowlist(allowed, _kernel(node))
    if allowlist is None:
        return REFUSED
    return ACCEPTED if allowlist.check(pod.pod) is None else REFUSED


def _kernel(node: NodeInfo) -> KernelVersion | None:
    info = ((node.node or {}).get("status") or {}).get("nodeInfo") or {}
    try:
        return parse_kernel_version(info.get("kernelVersion", ""))
    except PodsysctlError:
        return None
