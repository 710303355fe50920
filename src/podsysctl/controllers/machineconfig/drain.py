"""Empties a node before its configuration changes: cordon, evict, wait; and gives it back.

As machine-config-operator pkg/controller/drain does it: forced (pods without a controller go too), pods of DaemonSets
and mirror pods stay, emptyDir data is lost, PodDisruptionBudgets are honoured.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.client.rest import Client
from podsysctl.objects import taints
from podsysctl.objects.kinds import builtin_by_resource

log = logging.getLogger(__name__)

Object = dict[str, Any]

POD = builtin_by_resource("", "v1", "pods")
NODE = builtin_by_resource("", "v1", "nodes")
MIRROR = "kubernetes.io/config.mirror"
_CORDONED = {"key": taints.UNSCHEDULABLE, "effect": taints.NO_SCHEDULE}


class DrainPendingError(PodsysctlError):
    """Pods are still on the node: some may not be evicted yet, others are on their way out."""

    reason = "DrainPending"


async def cordon(client: Client, node: Object, now: str) -> bool:
    """Let no more pods come to a node; False, and nothing is sent, when it is so already. `now` is a meta/v1 time."""
    if node["spec"].get("unschedulable"):
        return False
    tainted = [*_other_taints(node), {**_CORDONED, "timeAdded": now}]
    await client.patch(NODE, node["metadata"]["name"], _with_taints(node, True, tainted))
    return True


def uncordoning(node: Object) -> Object:
    """The patch that lets pods come to a node again."""
    return _with_taints(node, None, _other_taints(node) or None)


def _other_taints(node: Object) -> list[Object]:
    return [t for t in node["spec"].get("taints") or () if not _CORDONED.items() <= t.items()]


def _with_taints(node: Object, unschedulable: bool | None, wanted: list[Object] | None) -> Object:
    """The field, and the taint that the node controller would make of it in a write of its own.

    Lists are replaced whole, so that the resourceVersion makes a lost race a conflict, and a retry.
    """
    spec: Object = {"unschedulable": unschedulable}
    if wanted == (node["spec"].get("taints") or None):
        return {"spec": spec}
    metadata = {"resourceVersion": node["metadata"]["resourceVersion"]}
    return {"metadata": metadata, "spec": {**spec, "taints": wanted}}


async def drain(client: Client, node_name: str, known: Sequence[Object], evicted: set[str]) -> None:
    """Evict what must go. Raises DrainPendingError, naming the pods, until all of it has gone.

    `known` are the node's pods as last heard of, and `evicted` gathers the uids of those whose eviction was accepted
    since the node was cordoned. One of these that is known no more shows that what was heard is newer than the cordon;
    otherwise the API is asked for all before the node counts as empty.
    """
    leaving = [pod for pod in known if must_leave(pod)]
    if not leaving and evicted <= {pod["metadata"]["uid"] for pod in known}:
        pods = await client.list(POD, field_selector=f"spec.nodeName={node_name}")
        leaving = [pod for pod in pods.items if must_leave(pod)]
    refused = []
    for pod in leaving:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        refusal = await _evict(client, pod, evicted)
        if refusal:
            refused.append(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}: {refusal}")
    if refused:
        raise DrainPendingError(f"node {node_name}: {'; '.join(refused)}")
    if leaving:
        waiting = ", ".join(f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in leaving)
        raise DrainPendingError(f"node {node_name}: waiting for {waiting} to end")


def must_leave(pod: Object) -> bool:
    """Whether draining evicts the pod: all but DaemonSet pods, mirror pods and those that have ended."""
    metadata = pod["metadata"]
    owners = [o for o in metadata.get("ownerReferences") or () if o.get("controller")]
    if any(o.get("kind") == "DaemonSet" for o in owners) or MIRROR in (metadata.get("annotations") or {}):
        return False
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


async def _evict(client: Client, pod: Object, evicted: set[str]) -> str:
    """Ask for one eviction; the server's words when a budget forbids it now."""
    metadata = pod["metadata"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
    }
    try:
        await client.create(POD, eviction, name=metadata["name"], subresource="eviction")
    except StatusError as error:
        if error.code == 404:
            return ""
        if error.code == 429:
            return error.message
        raise
    evicted.add(metadata["uid"])
    return ""
