"""Moves the nodes of a pool to its configuration, a few at a time, and keeps the pool's status."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from podsysctl.base import metrics
from podsysctl.base.clock import Clock, format_time, parse_time
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import WorkQueue
from podsysctl.controllers.machineconfig import node_state, pool_status, rollout
from podsysctl.controllers.machineconfig.drain import NODE
from podsysctl.controllers.machineconfig.membership import Members
from podsysctl.objects import machineconfig as names

log = logging.getLogger(__name__)

Object = dict[str, Any]

COALESCE_S = 0.05
"""Many nodes change at once; a pool is looked at once for all that changed in this time."""

SMALL_POOL_NODES = 20
COALESCE_PER_NODE_S = 0.0025
"""Longer by this for each node beyond a small pool: a look costs as much as the pool is large, and a rollout over
twice the nodes has twice the changes."""

COUNTS_PER_NODE_S = 0.01
COUNTS_LONGEST_S = 5.0
"""Counts that alone changed are written again after as much for each node beyond a small pool, and at most after the
time for which upstream's controller gathers changes before any look."""

_STATES = {
    "all": "machineCount",
    "updated": "updatedMachineCount",
    "ready": "readyMachineCount",
    "unavailable": "unavailableMachineCount",
    "degraded": "degradedMachineCount",
}
"""How the metrics call the counts of a pool's status."""


class PoolController:
    """`queue` holds names of pools."""

    def __init__(self, client: Client, informers: InformerSet, events: EventRecorder, clock: Clock) -> None:
        self._client = client
        self._events = events
        self._clock = clock
        self.queue: WorkQueue[str] = WorkQueue(name="machine-config-pool", max_s=30.0)
        self._members = Members()
        self._written_s: dict[str, float] = {}
        """When the status of a pool was last written."""
        self._pools = informers.informer(names.POOL)
        self._nodes = informers.informer(NODE)
        self._pools.add_handler(self._pool_changed, self._pool_updated, self._pool_changed)
        self._nodes.add_handler(self._node_changed, lambda _, new: self._node_changed(new), self._node_removed)

    def _pool_updated(self, old: Object, new: Object) -> None:
        if old["spec"].get("nodeSelector") != new["spec"].get("nodeSelector"):
            self._pool_changed(new)
        else:
            self._look_soon(new["metadata"]["name"])

    def _pool_changed(self, _: Object) -> None:
        self._members.set_pools(self._pools.store.values())
        for name in self._pools.store:
            self._look_soon(name)

    def _node_changed(self, node: Object) -> None:
        for name in self._members.set_node(node):
            self._look_soon(name)

    def _node_removed(self, node: Object) -> None:
        for name in self._members.remove_node(node["metadata"]["name"]):
            self._look_soon(name)

    def _look_soon(self, name: str) -> None:
        more = max(0, self._members.count(name) - SMALL_POOL_NODES)
        self.queue.add_after(name, COALESCE_S + COALESCE_PER_NODE_S * more)

    async def reconcile(self, name: str) -> None:
        """Taints, targets and status of one pool."""
        pool = self._pools.get(name)
        if pool is None:
            _forget(name)
            self._written_s.pop(name, None)
            return
        nodes = self._members.nodes(name)
        try:
            chosen = rollout.candidates(pool, nodes)
        except names.RolloutError as error:
            log.warning("pool %s stands still: %s", name, error.message)
            chosen = []
        targeted = {node["metadata"]["name"] for node in chosen}
        await self._fix_taints(pool, [node for node in nodes if node["metadata"]["name"] not in targeted])
        if chosen:
            await self._target(pool, chosen)
        await self._write_status(pool, nodes)

    async def _fix_taints(self, pool: Object, nodes: Sequence[Object]) -> None:
        lacking, keeping = rollout.stale_taint_nodes(pool, nodes)
        for node in lacking:
            taints = [*(node["spec"].get("taints") or ()), dict(names.UPDATE_TAINT)]
            await self._client.patch(NODE, node["metadata"]["name"], _with_taints(node, taints))
        for node in keeping:
            await self._client.patch(NODE, node["metadata"]["name"], _with_taints(node, _without_taint(node)))

    async def _target(self, pool: Object, chosen: Sequence[Object]) -> None:
        """Tell nodes what to run, and take the taint of those that wait away in the same write."""
        target = pool["spec"]["configuration"]["name"]
        for node in chosen:
            annotations = {names.DESIRED_CONFIG: target}
            if node_state.is_degraded(node):
                annotations |= {names.STATE: names.DONE, names.REASON: ""}
            kept = _without_taint(node)
            patch = _with_taints(node, kept) if len(kept) < len(node["spec"].get("taints") or ()) else {"metadata": {}}
            patch["metadata"]["annotations"] = annotations
            await self._client.patch(NODE, node["metadata"]["name"], patch)
        if len(chosen) == 1:
            text = f"Targeted node {chosen[0]['metadata']['name']} to MachineConfig: {target}"
        else:
            text = f"Set target for {len(chosen)} nodes to MachineConfig: {target}"
        self._events.event(pool, "Normal", "SetDesiredConfig", text)

    async def _write_status(self, pool: Object, nodes: Sequence[Object]) -> None:
        status = pool_status.pool_status(pool, nodes, format_time(self._clock.now()))
        _count(pool["metadata"]["name"], status)
        if status == pool.get("status"):
            return
        left_s = self._counts_wait_s(pool, status)
        if left_s > 0:
            self.queue.add_after(pool["metadata"]["name"], left_s)
            return
        await self._client.update(names.POOL, {**pool, "status": status}, "status")
        self._written_s[pool["metadata"]["name"]] = self._clock.monotonic_s()
        was = (pool.get("status") or {}).get("configuration", {}).get("name", "")
        now = status["configuration"].get("name", "")
        if was and now != was:
            self._count_completed(pool)
            text = f"Pool {pool['metadata']['name']} has completed update to MachineConfig {now}"
            self._events.event(pool, "Normal", "Completed", text)

    def _counts_wait_s(self, pool: Object, status: Object) -> float:
        """How long a status waits that tells nothing but counts of a large pool; each node changes them thrice."""
        if _without_counts(status) != _without_counts(pool.get("status") or {}):
            return 0.0
        pause_s = min(COUNTS_PER_NODE_S * (status["machineCount"] - SMALL_POOL_NODES), COUNTS_LONGEST_S)
        written_s = self._written_s.get(pool["metadata"]["name"])
        return 0.0 if written_s is None else written_s + pause_s - self._clock.monotonic_s()

    def _count_completed(self, pool: Object) -> None:
        name = pool["metadata"]["name"]
        metrics.ROLLOUTS.labels(pool=name).inc()
        for condition in (pool.get("status") or {}).get("conditions") or ():
            if condition["type"] == "Updating" and condition["status"] == "True":
                elapsed = self._clock.now() - parse_time(condition["lastTransitionTime"])
                metrics.ROLLOUT_DURATION.labels(pool=name).observe(max(0.0, elapsed.total_seconds()))


def _without_counts(status: Object) -> Object:
    counts = _STATES.values()
    return {field: value for field, value in status.items() if field not in counts}


def _count(pool: str, status: Object) -> None:
    """Show how far a pool is."""
    for state, field in _STATES.items():
        metrics.ROLLOUT_NODES.labels(pool=pool, state=state).set(status[field])
    total = status["machineCount"]
    metrics.ROLLOUT_PROGRESS.labels(pool=pool).set(status["updatedMachineCount"] / total if total else 1.0)


def _forget(pool: str) -> None:
    """A pool is gone."""
    metrics.ROLLOUT_NODES.forget(pool=pool)
    metrics.ROLLOUT_PROGRESS.forget(pool=pool)
    metrics.ROLLOUTS.forget(pool=pool)
    metrics.ROLLOUT_DURATION.forget(pool=pool)


def _without_taint(node: Object) -> list[Object]:
    """The node's taints but the one of nodes that wait for their turn."""
    return [t for t in node["spec"].get("taints") or () if t.get("key") != names.UPDATE_TAINT["key"]]


def _with_taints(node: Object, taints: list[Object]) -> Object:
    """A patch that replaces the list as it was read: the resourceVersion makes a lost race a conflict, and a retry."""
    metadata = {"resourceVersion": node["metadata"]["resourceVersion"]}
    return {"metadata": metadata, "spec": {"taints": taints or None}}
