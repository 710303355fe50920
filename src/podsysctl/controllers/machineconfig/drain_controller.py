"""Carries out what a node asks for in its `desiredDrain` annotation, and answers in `lastAppliedDrain`."""

from __future__ import annotations

import logging
from typing import Any

from podsysctl.base.clock import Clock, format_time
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import WorkQueue
from podsysctl.controllers.machineconfig import drain
from podsysctl.objects import machineconfig as names

log = logging.getLogger(__name__)

Object = dict[str, Any]

INDEX = "node to drain"
RETRY_S = 2.0
"""Pause between two looks at a draining node; upstream drains for 90 s and then waits a minute."""
SLOW_AFTER_S = 600.0
SLOW_RETRY_S = 300.0
FAILED_AFTER_S = 3600.0
"""Upstream's limits: slower tries after ten minutes, a DrainFailed event after an hour."""


class DrainController:
    """`queue` holds names of nodes."""

    def __init__(self, client: Client, informers: InformerSet, events: EventRecorder, clock: Clock) -> None:
        self._client = client
        self._events = events
        self._clock = clock
        self.queue: WorkQueue[str] = WorkQueue(name="machine-config-drain", max_s=30.0)
        self._since_s: dict[str, float] = {}
        self._evicted: dict[str, set[str]] = {}
        """Pods evicted since their node was cordoned, by node."""
        self._nodes = informers.informer(drain.NODE)
        self._nodes.add_handler(on_add=self._enqueue, on_update=self._node_updated)
        self._pods = informers.informer(drain.POD)
        self._pods.add_index(INDEX, lambda pod: (_node_name(pod),))
        self._pods.add_handler(on_delete=self._pod_gone)

    def _enqueue(self, node: Object) -> None:
        if _wanted(node):
            self.queue.add(node["metadata"]["name"])

    def _node_updated(self, old: Object, new: Object) -> None:
        """Hear of a new request; while one is carried out, pods that go and the time are what is waited for."""
        if _wanted(old) != _wanted(new):
            self._enqueue(new)

    def _pod_gone(self, pod: Object) -> None:
        """The last pod of a node that is being drained: go on at once."""
        node = self._nodes.get(_node_name(pod))
        if node is not None and _wanted(node) and not any(map(drain.must_leave, self._known(node))):
            self._enqueue(node)

    def _known(self, node: Object) -> list[Object]:
        return self._pods.by_index(INDEX, node["metadata"]["name"])

    async def reconcile(self, name: str) -> None:
        """Drain or give back one node, if it waits for that."""
        node = self._nodes.get(name)
        if node is None or not _wanted(node):
            self._forget(name)
            return
        wanted = _wanted(node)
        verb, _, config = wanted.partition("-")
        if verb == "drain":
            if await drain.cordon(self._client, node, format_time(self._clock.now())):
                self._evicted.pop(name, None)
            try:
                await drain.drain(self._client, name, self._known(node), self._evicted.setdefault(name, set()))
            except drain.DrainPendingError as error:
                self._wait(node, error)
                return
        self._forget(name)
        answer: Object = {} if verb == "drain" else drain.uncordoning(node)
        answer.setdefault("metadata", {})["annotations"] = {names.LAST_DRAIN: wanted}
        await self._client.patch(drain.NODE, name, answer)
        if verb != "drain":
            text = f"Update completed for config {config} and node has been uncordoned"
            self._events.event(node, "Normal", "Uncordon", text)

    def _forget(self, name: str) -> None:
        """Nothing more is to be done for a node."""
        self._since_s.pop(name, None)
        self._evicted.pop(name, None)

    def _wait(self, node: Object, error: drain.DrainPendingError) -> None:
        """Come back later, and say so when it takes long."""
        name = node["metadata"]["name"]
        now_s = self._clock.monotonic_s()
        elapsed_s = now_s - self._since_s.setdefault(name, now_s)
        log.info("%s", error.message)
        if elapsed_s >= FAILED_AFTER_S:
            self._events.event(node, "Warning", "DrainFailed", f"failed to drain node: {name} after 1 hour")
        elif elapsed_s >= SLOW_AFTER_S:
            self._events.event(node, "Normal", "DrainThresholdExceeded", error.message)
        self.queue.add_after(name, SLOW_RETRY_S if elapsed_s >= SLOW_AFTER_S else RETRY_S)


def _node_name(pod: Object) -> str:
    return str(pod["spec"].get("nodeName") or "")


def _wanted(node: Object) -> str:
    """The request that is not answered yet, or nothing."""
    wanted = names.annotation(node, names.DESIRED_DRAIN)
    return "" if wanted == names.annotation(node, names.LAST_DRAIN) else wanted
