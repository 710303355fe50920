"""Gives pods without a node the best node that can take them, as a client of the API.

One decision at a time on an own picture of the cluster; binding goes on beside the next decisions.
Source: Kubernetes 1.36 `pkg/scheduler/schedule_one.go`, `eventhandlers.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import lru_cache
from math import gcd
from typing import Any

from podsysctl.base import clock, metrics
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.objects import node_affinity
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy.scheduling import filters
from podsysctl.policy.scheduling.misfit import Misfit
from podsysctl.policy.scheduling.nodeinfo import Cluster, NodeInfo
from podsysctl.policy.scheduling.podinfo import DEFAULT_SCHEDULER, PodInfo
from podsysctl.scheduler import scores, wording
from podsysctl.scheduler.queue import SchedulingQueue
from podsysctl.scheduler.recorder import EventsRecorder

log = logging.getLogger(__name__)

NAME = DEFAULT_SCHEDULER
PODS = builtin_by_resource("", "v1", "pods")
NODES = builtin_by_resource("", "v1", "nodes")
NAMESPACES = builtin_by_resource("", "v1", "namespaces")

BINDINGS = 32
"""Bindings on their way at once; more would only wait in the server."""

MIN_FEASIBLE = 100
"""Nodes that fit before the search may stop (minFeasibleNodesToFind); scores choose among them."""

_GOLDEN = 0.6180339887

Object = dict[str, Any]


class Scheduler:
    """The default scheduler; `informers` may be shared with others in the process."""

    def __init__(
        self, client: Client, *, informers: InformerSet | None = None, time: clock.Clock | None = None
    ) -> None:
        self._client = client
        self._clock = time or clock.SystemClock()
        self._own_informers = informers is None
        self._informers = informers or InformerSet(client)
        self._recorder = EventsRecorder(client, NAME, time=self._clock)
        self._cluster = Cluster()
        self.queue = SchedulingQueue(self._clock)
        self._binding = asyncio.Semaphore(BINDINGS)
        self._turn = 0
        self._start = 0
        self._pods = self._informers.informer(PODS)
        self._nodes = self._informers.informer(NODES)
        self._namespaces = self._informers.informer(NAMESPACES)
        self._namespaces.add_handler(
            on_add=self._cluster.set_namespace,
            on_update=lambda old, new: self._namespace_changed(old, new),
            on_delete=lambda namespace: self._cluster.remove_namespace(namespace["metadata"]["name"]),
        )
        self._nodes.add_handler(
            on_add=self._set_node,
            on_update=lambda old, new: self._node_changed(old, new),
            on_delete=lambda node: self._cluster.remove_node(node["metadata"]["name"]),
        )
        self._pods.add_handler(
            on_add=self._pod_seen, on_update=lambda old, new: self._pod_seen(new, old), on_delete=self._pod_gone
        )

    async def run(self) -> None:
        """Schedule until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._own_informers:
                group.create_task(self._informers.run())
            group.create_task(self._recorder.run())
            await self._namespaces.wait_synced()
            await self._nodes.wait_synced()
            await self._pods.wait_synced()
            while True:
                pod = await self.queue.pop()
                await self._schedule(pod, group)
                await asyncio.sleep(0)

    async def flush(self) -> None:
        """Wait until recorded events are written."""
        await self._recorder.flush()

    async def _schedule(self, pod: PodInfo, group: asyncio.TaskGroup) -> None:
        """One decision: a node, or the reason why there is none."""
        nodes = self._cluster.nodes()
        chosen, message = self._decide(pod, nodes)
        if chosen is not None:
            metrics.SCHEDULE_ATTEMPTS.labels(result="scheduled").inc()
            self._cluster.place(pod, chosen.name)
            await self._binding.acquire()
            group.create_task(self._bind(pod, chosen.name))
            return
        metrics.SCHEDULE_ATTEMPTS.labels(result="unschedulable").inc()
        self.queue.failed(pod)
        self._recorder.event(pod.pod, "Warning", "FailedScheduling", "Scheduling", wording.truncate(message))
        await self._set_condition(pod, "Unschedulable", message)

    def _decide(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> tuple[NodeInfo | None, str]:
        if not nodes:
            return None, wording.NO_NODES
        preempting = pod.spec.get("preemptionPolicy") != "Never"
        named = node_affinity.named_nodes(pod.spec)
        if named is not None and not named:
            hopeless = [Misfit((filters.AFFINITY_CONFLICT,)) for _ in nodes]
            text = wording.fit_error(len(nodes), hopeless, preempting=preempting, conflict=filters.AFFINITY_CONFLICT)
            return None, text
        excluded = 0
        candidates = nodes
        if named is not None:
            candidates = [node for node in nodes if node.name in named]
            excluded = len(nodes) - len(candidates)
        prepared = filters.prepare(pod, self._cluster)
        feasible, refused = self._feasible(pod, candidates, prepared)
        if not feasible:
            misfits = [*(misfit for _, misfit in refused), *[Misfit((filters.OTHER_NODE,))] * excluded]
            spared = sum(not misfit.hopeless and node.has_below(pod.priority) for node, misfit in refused)
            return None, wording.fit_error(len(nodes), misfits, preempting=preempting, spared=spared)
        self._turn += 1
        return scores.best(pod, feasible, turn=self._turn), ""

    def _feasible(
        self, pod: PodInfo, nodes: Sequence[NodeInfo], prepared: Sequence[filters.Prepared]
    ) -> tuple[list[NodeInfo], list[tuple[NodeInfo, Misfit]]]:
        """Nodes that fit: all of a small cluster, enough of a large one, searched from where the last ended.

        With them those that do not, as far as the search came.
        """
        count = len(nodes)
        wanted = min(count, MIN_FEASIBLE)
        step = stride(count)
        feasible: list[NodeInfo] = []
        refused: list[tuple[NodeInfo, Misfit]] = []
        place = self._start
        for _ in range(count):
            place = (place + step) % count
            node = nodes[place]
            misfit = filters.check(pod, node, prepared)
            if misfit is None:
                feasible.append(node)
                if len(feasible) >= wanted:
                    break
            else:
                refused.append((node, misfit))
        self._start = place
        return feasible, refused

    async def _bind(self, pod: PodInfo, node_name: str) -> None:
        metadata = pod.pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node_name},
        }
        try:
            await self._client.create(PODS, binding, name=metadata["name"], subresource="binding")
        except (StatusError, ConnectionFailedError) as error:
            self._bind_failed(pod, error)
        else:
            note = f"Successfully assigned {pod.key} to {node_name}"
            self._recorder.event(pod.pod, "Normal", "Scheduled", "Binding", note)
        finally:
            self._binding.release()

    def _bind_failed(self, pod: PodInfo, error: StatusError | ConnectionFailedError) -> None:
        """Gone or bound elsewhere is settled; anything else is tried again."""
        current = self._pods.store.get(pod.key)
        if current is None or not (current.get("spec") or {}).get("nodeName"):
            self._cluster.forget(pod.uid)
        if isinstance(error, StatusError) and error.code == 404:
            return
        metrics.SCHEDULE_ATTEMPTS.labels(result="error").inc()
        log.warning("binding of pod %s failed: %s", pod.key, error.message)
        self.queue.retry(pod)

    async def _set_condition(self, pod: PodInfo, reason: str, message: str) -> None:
        """PodScheduled=False, written only when it says something new."""
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": clock.format_time(self._clock.now()),
        }
        if generation := pod.pod["metadata"].get("generation"):
            condition["observedGeneration"] = generation
        current = self._pods.store.get(pod.key, pod.pod)
        for known in (current.get("status") or {}).get("conditions") or ():
            if known.get("type") == "PodScheduled" and known.get("status") == "False":
                if (known.get("reason"), known.get("message")) == (reason, message):
                    return
                condition["lastTransitionTime"] = known.get("lastTransitionTime") or condition["lastTransitionTime"]
        metadata = pod.pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [condition]}}
        try:
            await self._client.patch(
                PODS,
                metadata["name"],
                patch,
                namespace=metadata["namespace"],
                patch_type="strategic",
                subresource="status",
            )
        except StatusError as error:
            if error.code not in (404, 409):
                log.warning("condition of pod %s not written: %s", pod.key, error.message)
        except ConnectionFailedError as error:
            log.warning("condition of pod %s not written: %s", pod.key, error.message)

    def _set_node(self, node: Object) -> None:
        self._cluster.set_node(node)
        self.queue.something_changed()

    def _node_changed(self, old: Object, new: Object) -> None:
        self._cluster.set_node(new)
        if _decisive(old) != _decisive(new):
            self.queue.something_changed()

    def _namespace_changed(self, old: Object, new: Object) -> None:
        self._cluster.set_namespace(new)
        if old["metadata"].get("labels") != new["metadata"].get("labels"):
            self.queue.something_changed()

    def _pod_seen(self, pod: Object, old: Object | None = None) -> None:
        info = PodInfo(pod)
        phase = (pod.get("status") or {}).get("phase")
        if phase in ("Succeeded", "Failed"):
            self._leave(info)
        elif node_name := pod["spec"].get("nodeName"):
            self.queue.remove(info.key)
            if old is None or self._cluster.place_of(info.uid) != node_name or _counts(old) != _counts(pod):
                self._cluster.place(info, node_name)
                self.queue.pods_changed()
            elif not old["spec"].get("nodeName"):
                self.queue.pods_changed()
        elif _is_ours(pod):
            if pod["spec"].get("schedulingGates") or pod["metadata"].get("deletionTimestamp"):
                self.queue.remove(info.key)
            else:
                self.queue.update(info)

    def _pod_gone(self, pod: Object) -> None:
        self._leave(PodInfo(pod))

    def _leave(self, info: PodInfo) -> None:
        self.queue.remove(info.key)
        if self._cluster.place_of(info.uid) is not None:
            self._cluster.forget(info.uid)
            self.queue.something_changed()


@lru_cache(maxsize=4)
def stride(count: int) -> int:
    """The step with which a search comes to each of `count` nodes once, and never to neighbours one after another.

    Nodes that were made together are rolled over together: of neighbours, all or none prefer no pods.

    >>> [position * stride(1000) % 1000 for position in range(5)]
    [0, 619, 238, 857, 476]
    """
    step = max(1, round(count * _GOLDEN))
    while gcd(step, count) > 1:
        step += 1
    return step


def _is_ours(pod: Object) -> bool:
    return (pod["spec"].get("schedulerName") or NAME) == NAME


def _counts(pod: Object) -> list[Any]:
    """What of a pod decides about others: what it takes of its node, and whose terms speak of it; no status does."""
    spec, metadata = pod["spec"], pod["metadata"]
    taken = [spec.get(name) for name in ("containers", "initContainers", "resources", "overhead")]
    return [*taken, metadata.get("labels"), metadata.get("deletionTimestamp")]


def _decisive(node: Object) -> tuple[Any, ...]:
    """What of a node a decision depends on; heartbeats change none of it."""
    spec, status, metadata = node.get("spec") or {}, node.get("status") or {}, node["metadata"]
    return (
        metadata.get("labels"),
        metadata.get("annotations"),
        spec.get("taints"),
        spec.get("unschedulable"),
        status.get("allocatable"),
    )
