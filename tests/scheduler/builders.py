"""Minimal pods and nodes, and one visible change per case."""

from typing import Any

from podsysctl.policy.scheduling.nodeinfo import Cluster, NodeInfo
from podsysctl.policy.scheduling.podinfo import PodInfo

Object = dict[str, Any]


def pod(name: str = "p", *, namespace: str = "default", **spec: Any) -> Object:
    """A Pod with one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }


def wanting(name: str = "p", **requests: str) -> Object:
    """A Pod whose container requests resources."""
    container = {"name": "c", "image": "i", "resources": {"requests": requests}}
    return pod(name, containers=[container])


def node(name: str = "n1", *, labels: Object | None = None, allocatable: Object | None = None, **spec: Any) -> Object:
    """A Node with room for ten pods."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10", **(allocatable or {})}},
    }


def node_info(value: Object, *pods: Object) -> NodeInfo:
    """A node with pods on it."""
    info = NodeInfo(value["metadata"]["name"])
    info.set_node(value)
    for one in pods:
        info.add(PodInfo(one))
    return info


def cluster(*nodes: Object) -> Cluster:
    """A cluster of these nodes."""
    out = Cluster()
    for one in nodes:
        out.set_node(one)
    return out
