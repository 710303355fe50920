"""Prefers nodes whose kubelet and kernel accept a pod's sysctls, by what each node publishes of itself.

A preference only: a pod that no node accepts is still bound, and then refused by its node with SysctlForbidden.
"""

from __future__ import annotations

from podsysctl.policy import placement
from podsysctl.policy.scheduling.nodeinfo import NodeInfo
from podsysctl.policy.scheduling.podinfo import PodInfo

WEIGHT = 10
"""More than all else together: a place where the pod runs beats every place where it does not."""


def score(pod: PodInfo, node: NodeInfo) -> float:
    """From 0, the node refuses a sysctl of the pod, to 100, it accepts them all; between, it does not say."""
    return float(placement.score(pod.pod, node.node or {}))


def tells(pod: PodInfo) -> bool:
    """Whether nodes differ for the pod: one without sysctls runs as well on each."""
    return bool((pod.spec.get("securityContext") or {}).get("sysctls"))
