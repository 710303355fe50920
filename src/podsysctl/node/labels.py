"""Labels and annotations on sandboxes and containers: how the runtime's objects are found again. Pure.

The keys are the kubelet's (pkg/kubelet/types/labels.go, kuberuntime/labels.go), so that crictl and others read
them; NODE is ours and tells apart the agents that share one runtime.
"""

from __future__ import annotations

import json
from typing import Any

from podsysctl.node import pod as pods

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
NODE = "podsysctl.dev/node"

HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
TERMINATION_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy"
PRE_STOP = "io.kubernetes.container.preStopHandler"
PORTS = "io.kubernetes.container.ports"
DELETION_GRACE = "io.kubernetes.pod.deletionGracePeriod"
TERMINATION_GRACE = "io.kubernetes.pod.terminationGracePeriod"


def sandbox_labels(pod: pods.Pod, node_name: str) -> dict[str, str]:
    """The pod's own labels and ours."""
    ours = {POD_NAME: pods.name(pod), POD_NAMESPACE: pods.namespace(pod), POD_UID: pods.uid(pod), NODE: node_name}
    return {**pods.labels_of(pod), **ours}


def container_labels(pod: pods.Pod, container: pods.Container, node_name: str) -> dict[str, str]:
    """Whose container it is."""
    return {
        POD_NAME: pods.name(pod),
        POD_NAMESPACE: pods.namespace(pod),
        POD_UID: pods.uid(pod),
        CONTAINER_NAME: container["name"],
        NODE: node_name,
    }


def container_annotations(pod: pods.Pod, container: pods.Container, attempt: int) -> dict[str, str]:
    """What is needed to judge and stop the container when its pod object is gone."""
    out = {
        HASH: pods.container_hash(container),
        RESTART_COUNT: str(attempt),
        TERMINATION_PATH: container.get("terminationMessagePath", ""),
        TERMINATION_POLICY: container.get("terminationMessagePolicy", ""),
    }
    grace = pods.deletion_grace_s(pod)
    if grace is not None:
        out[DELETION_GRACE] = str(grace)
    termination = pods.spec(pod).get("terminationGracePeriodSeconds")
    if termination is not None:
        out[TERMINATION_GRACE] = str(termination)
    pre_stop: dict[str, Any] | None = (container.get("lifecycle") or {}).get("preStop")
    if pre_stop:
        out[PRE_STOP] = json.dumps(pre_stop)
    if container.get("ports"):
        out[PORTS] = json.dumps(container["ports"])
    return out
