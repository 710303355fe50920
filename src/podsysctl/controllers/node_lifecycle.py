"""Nodes that stop answering are marked, and what they and their conditions mean is shown as taints.

Source: Kubernetes 1.36 `pkg/controller/nodelifecycle`. Heartbeats are the node's Lease or its Ready condition;
their age is measured by our own clock since a change was last seen. Upstream's slow-down per zone has no
counterpart here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from podsysctl.base.errors import StatusError
from podsysctl.controllers import conditions, podstate
from podsysctl.controllers.scope import LEASES, NODES, PODS, Object, Reconciler, Scope
from podsysctl.objects import taints

MONITOR_S = 5.0
"""Interval of the checks (node-monitor-period)."""
GRACE_S = 50.0
"""Age of the last heartbeat at which a node counts as gone (node-monitor-grace-period)."""
STARTUP_GRACE_S = 60.0
"""The same for a node that never reported (node-startup-grace-period)."""

_LEASE_NAMESPACE = "kube-node-lease"
_CHECKED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_READY_TAINTS = {"False": taints.NOT_READY, "Unknown": taints.UNREACHABLE}
_CONDITION_KEYS = frozenset({*taints.PRESSURES.values(), taints.NOT_READY, taints.UNREACHABLE, taints.UNSCHEDULABLE})


@dataclass(slots=True)
class _Health:
    """What was last heard of a node, and when."""

    heartbeat: str
    renewed: str
    heard_s: float


class NodeLifecycleController(Reconciler):
    """Watches the health of nodes."""

    name = "node-controller"
    workers = 8

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._recorder = scope.recorder(self.name)
        self._nodes = self.need(NODES)
        self._leases = self.need(LEASES)
        self._pods = self.need(PODS)
        self._pods.add_index("node", _node_index)
        self._health: dict[str, _Health] = {}
        self._nodes.add_handler(
            on_add=self._added,
            on_update=lambda old, new: self._updated(old, new),
            on_delete=self._removed,
        )

    def _added(self, node: Object) -> None:
        name = node["metadata"]["name"]
        self._say(node, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")
        self.queue.add(name)

    def _updated(self, old: Object, new: Object) -> None:
        """Look at once at what may ask for a taint; heartbeats are looked for at each interval."""
        if _shown(old) != _shown(new):
            self.queue.add(new["metadata"]["name"])

    def _removed(self, node: Object) -> None:
        name = node["metadata"]["name"]
        self._health.pop(name, None)
        self._say(node, "RemovingNode", f"Node {name} event: Removing Node {name} from Controller")

    def _say(self, node: Object, reason: str, text: str) -> None:
        metadata = node["metadata"]
        reference = {"apiVersion": "v1", "kind": "Node", "name": metadata["name"], "uid": metadata["uid"]}
        self._recorder.event(reference, "Normal", reason, text)

    async def reconcile(self, key: str) -> None:
        """Check one node."""
        node = self._nodes.store.get(key)
        if node is None:
            return
        self.queue.add_after(key, MONITOR_S)
        before = conditions.find(node.get("status") or {}, "Ready")
        node = await self._check_health(node)
        ready = conditions.find(node.get("status") or {}, "Ready")
        await self._write_taints(node, (ready or {}).get("status"))
        if (before or {}).get("status") == "True" and (ready or {}).get("status") != "True":
            self._say(node, "NodeNotReady", f"Node {key} status is now: NodeNotReady")
        if ready is not None and ready.get("status") != "True":
            await self._mark_pods(key)

    async def _check_health(self, node: Object) -> Object:
        """The node, after its conditions became Unknown if nothing was heard for too long."""
        name = node["metadata"]["name"]
        status = node.get("status") or {}
        ready = conditions.find(status, "Ready")
        lease = self._leases.store.get(f"{_LEASE_NAMESPACE}/{name}") or {}
        heartbeat = str((ready or {}).get("lastHeartbeatTime") or "")
        renewed = str((lease.get("spec") or {}).get("renewTime") or "")
        now_s = self.scope.clock.monotonic_s()
        health = self._health.get(name)
        if health is None or (health.heartbeat, health.renewed) != (heartbeat, renewed):
            self._health[name] = health = _Health(heartbeat, renewed, now_s)
        grace_s = STARTUP_GRACE_S if ready is None else GRACE_S
        if now_s - health.heard_s <= grace_s or (ready or {}).get("status") == "Unknown":
            return node
        changed = {**node, "status": {**status, "conditions": self._unknown(node)}}
        return await self.client.update(NODES, changed, "status")

    def _unknown(self, node: Object) -> list[Object]:
        now = self.scope.now()
        out = [dict(entry) for entry in (node.get("status") or {}).get("conditions") or ()]
        for type in _CHECKED:
            found = next((entry for entry in out if entry.get("type") == type), None)
            if found is None:
                out.append(
                    {
                        "type": type,
                        "status": "Unknown",
                        "lastHeartbeatTime": node["metadata"].get("creationTimestamp"),
                        "lastTransitionTime": now,
                        "reason": "NodeStatusNeverUpdated",
                        "message": "Kubelet never posted node status.",
                    }
                )
            elif found.get("status") != "Unknown":
                found.update(
                    status="Unknown",
                    reason="NodeStatusUnknown",
                    message="Kubelet stopped posting node status.",
                    lastTransitionTime=now,
                )
        return out

    async def _write_taints(self, node: Object, ready: str | None) -> None:
        current = list((node.get("spec") or {}).get("taints") or ())
        wanted = wanted_taints(node, ready, current, self.scope.now())
        if wanted == current:
            return
        metadata = node["metadata"]
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "spec": {"taints": wanted or None},
        }
        await self.client.patch(NODES, metadata["name"], patch)

    async def _mark_pods(self, node_name: str) -> None:
        """Pods on a node that is not ready are not ready either."""
        for pod in self._pods.by_index("node", node_name):
            ready = conditions.find(podstate.status_of(pod), "Ready")
            if ready is None or ready.get("status") != "True":
                continue
            metadata = pod["metadata"]
            made = {**ready, "status": "False", "lastTransitionTime": self.scope.now()}
            patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [made]}}
            try:
                await self.client.patch(
                    PODS,
                    metadata["name"],
                    patch,
                    namespace=metadata["namespace"],
                    patch_type="strategic",
                    subresource="status",
                )
            except StatusError as error:
                if error.code in (404, 409):
                    continue
                raise
            self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")


def _node_index(pod: Object) -> Iterable[str]:
    name = (pod.get("spec") or {}).get("nodeName")
    return (str(name),) if name else ()


def _shown(node: Object) -> list[Any]:
    """What taints are made of, and the taints there are."""
    spec, listed = node.get("spec") or {}, (node.get("status") or {}).get("conditions") or ()
    return [spec.get("unschedulable"), spec.get("taints"), *((c.get("type"), c.get("status")) for c in listed)]


def wanted_taints(node: Object, ready: str | None, current: list[Object], now: str) -> list[Object]:
    """A node's taints with those that this controller looks after brought up to date.

    `ready` is the status of the Ready condition, None without one.
    """
    status, spec = node.get("status") or {}, node.get("spec") or {}
    keys = [key for type, key in taints.PRESSURES.items() if conditions.is_true(status, type)]
    if ready in _READY_TAINTS:
        keys.append(_READY_TAINTS[ready])
    if spec.get("unschedulable"):
        keys.append(taints.UNSCHEDULABLE)
    wanted = {(key, taints.NO_SCHEDULE) for key in keys}
    if ready in _READY_TAINTS:
        wanted.add((_READY_TAINTS[ready], taints.NO_EXECUTE))
    kept = []
    for taint in current:
        identity = (taint.get("key", ""), taint.get("effect", ""))
        ours = identity[0] in _CONDITION_KEYS and identity[1] != taints.PREFER_NO_SCHEDULE
        if identity[1] == taints.NO_EXECUTE and identity[0] not in _READY_TAINTS.values():
            ours = False
        if not ours or identity in wanted:
            kept.append(taint)
            wanted.discard(identity)
    added = [{"key": key, "effect": effect, "timeAdded": now} for key, effect in sorted(wanted)]
    return kept + added
