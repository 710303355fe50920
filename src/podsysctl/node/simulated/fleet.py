"""All simulated nodes of a process: registers them, keeps them alive, and works on their pods."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Collection, Hashable, Iterable, Mapping
from pathlib import Path

from podsysctl.base.clock import Clock, SystemClock
from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, StatusError
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import InformerSet, object_key
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import WorkQueue
from podsysctl.node import agent, config_daemon, machine, status_patch
from podsysctl.node import pod as pods
from podsysctl.node.config import AgentConfig, KubeletConfiguration
from podsysctl.node.config_daemon import ConfigDaemon
from podsysctl.node.registration import NODES
from podsysctl.node.simulated.node import SimulatedNode
from podsysctl.node.simulated.profiles import SimulatedProfiles
from podsysctl.node.status_writer import PODS
from podsysctl.objects.machineconfig import MACHINE_CONFIG
from podsysctl.objects.simulated import MARK

log = logging.getLogger(__name__)

INDEX = "simulated node"
SELECTOR = f"{MARK}=true"
"""Selects the nodes that are simulated."""

HEARTBEAT_S = 30.0
"""Interval of each node's lease: thrice a kubelet's, since a thousand nodes share one process, and well below the
50 s that the node controller waits."""

WORKERS = 16
"""Nodes registered, pods worked on, and configurations changed at once; more would only wait in the server."""

LONGEST_RETRY_S = 30.0

RENDERED_KEPT = 32
"""Machine configurations held for the nodes that ask for them next; a rollout needs one of each pool."""


class SimulatedFleet:
    """Nodes of these names below `root`, one folder each; `kubelet` is what they start with before a pool's.

    `informers` may be shared with others in the process, and are run by the caller.
    """

    def __init__(
        self,
        client: Client,
        informers: InformerSet,
        names: Iterable[str],
        root: Path,
        *,
        labels: Mapping[str, str],
        kubelet: KubeletConfiguration,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._clock = clock or SystemClock()
        self._kubelet_events = EventRecorder(client, agent.COMPONENT, time=self._clock)
        self._daemon_events = EventRecorder(client, config_daemon.COMPONENT, time=self._clock)
        self._machine = machine.read(root)
        self._address = machine.default_address()
        self._labels = {**labels, MARK: "true"}
        self._kubelet = kubelet
        self._all_nodes = informers.informer(NODES)
        self._all_pods = informers.informer(PODS)
        self._all_pods.add_index(INDEX, lambda pod: (_node_name(pod),))
        self._rendered: dict[str, pods.Pod] = {}
        self._nodes = {name: self._node(name, root / name) for name in names}
        self._daemons = {name: self._daemon(name, node) for name, node in self._nodes.items()}
        self._pod_queue: WorkQueue[str] = WorkQueue(name="simulated-pods", max_s=LONGEST_RETRY_S, time=self._clock)
        self._beat_queue: WorkQueue[str] = WorkQueue(
            name="simulated-heartbeats", max_s=HEARTBEAT_S / 4, time=self._clock
        )
        self._profiles = SimulatedProfiles(client, self._nodes, self._clock)

    def _node(self, name: str, root: Path) -> SimulatedNode:
        config = AgentConfig(
            node_name=name,
            root=root,
            node_ips=(self._address,),
            labels=self._labels,
            kubelet=self._kubelet,
            kubelet_port=0,
        )
        recorder = self._kubelet_events.on_host(name)
        return SimulatedNode(self._client, config, self._machine, self._clock, recorder, self._restarted)

    def _daemon(self, name: str, node: SimulatedNode) -> ConfigDaemon:
        recorder = self._daemon_events.on_host(name)
        return ConfigDaemon(
            self._client,
            self._all_nodes,
            name,
            node.kubelet_file,
            node.restart,
            recorder,
            read_config=self._read_config,
            clock=self._clock,
        )

    async def _read_config(self, name: str) -> pods.Pod:
        """A MachineConfig; a rendered one, whose name is a hash of what it holds, is read once for all nodes."""
        found = self._rendered.get(name)
        if found is None:
            found = await self._client.get(MACHINE_CONFIG, name)
            if name.startswith("rendered-"):
                if len(self._rendered) >= RENDERED_KEPT:
                    del self._rendered[next(iter(self._rendered))]
                self._rendered[name] = found
        return found

    async def run(self) -> None:
        """Run the nodes until cancelled; their pods stay as they are. Raises UsageError, StatusError."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kubelet_events.run())
            group.create_task(self._daemon_events.run())
            await self._register()
            self._all_nodes.add_handler(self._node_seen, lambda _, new: self._node_seen(new))
            self._all_pods.add_handler(self._pod_seen, self._pod_changed, self._pod_gone)
            group.create_task(config_daemon.follow(self._all_nodes, self._daemons, workers=WORKERS))
            group.create_task(self._pod_queue.run(self._step, workers=WORKERS, retry=_retry))
            for name in self._nodes:
                self._beat_queue.add_after(name, random.uniform(0, HEARTBEAT_S))
            group.create_task(self._beat_queue.run(self._beat, workers=WORKERS, retry=_retry))
            group.create_task(self._profiles.run(_retry))

    async def _register(self) -> None:
        """Register every node, a few at once."""
        slots = asyncio.Semaphore(WORKERS)

        async def one(name: str) -> None:
            async with slots:
                self._daemons[name].recover()
                await self._daemons[name].restore()
                await self._nodes[name].start()
                await self._kubelet_events.flush()

        async with asyncio.TaskGroup() as group:
            for name in self._nodes:
                group.create_task(one(name))

    async def _beat(self, name: str) -> None:
        """One heartbeat of one node."""
        registration = self._nodes[name].registration
        await registration.renew()
        await registration.report()
        self._beat_queue.add_after(name, HEARTBEAT_S)

    def _node_seen(self, obj: pods.Pod) -> None:
        node = self._nodes.get(obj["metadata"]["name"])
        if node is not None:
            node.registration.seen(obj)

    def _restarted(self, name: str) -> None:
        for pod in self._all_pods.by_index(INDEX, name):
            self._pod_queue.add(object_key(pod))

    # --- pods

    def _pod_seen(self, pod: pods.Pod) -> None:
        if _node_name(pod) in self._nodes:
            self._pod_queue.add(object_key(pod))

    def _pod_changed(self, old: pods.Pod, new: pods.Pod) -> None:
        """Look at a pod that was bound, is deleted, or no longer looks as this node reported it."""
        bound = _node_name(old) != _node_name(new)
        if bound or pods.is_deleted(new) or pods.is_terminal(new) or not _is_ready(new):
            self._pod_seen(new)

    def _pod_gone(self, pod: pods.Pod) -> None:
        node = self._nodes.get(_node_name(pod))
        if node is not None:
            node.forget(pods.uid(pod))

    async def _step(self, key: str) -> None:
        """Bring one pod to where its node wants it."""
        pod = self._all_pods.store.get(key)
        if pod is None:
            return
        node = self._nodes[_node_name(pod)]
        try:
            if pods.is_deleted(pod):
                await self._end(node, pod)
            elif pods.is_terminal(pod):
                node.forget(pods.uid(pod))
            else:
                await self._write(pod, node.status_of(pod))
        except StatusError as error:
            if error.code != 404:
                raise

    async def _end(self, node: SimulatedNode, pod: pods.Pod) -> None:
        """Nothing has to be stopped. Whoever holds the object back wants to see how the pod ended."""
        if pod["metadata"].get("finalizers") and not pods.is_terminal(pod):
            await self._write(pod, node.last_status_of(pod))
        await self._client.delete(PODS, pods.name(pod), pods.namespace(pod), grace_period_s=0, uid=pods.uid(pod))

    async def _write(self, pod: pods.Pod, status: dict[str, object]) -> None:
        """Write what differs, and in the same request that no process stands behind it."""
        patch = status_patch.build(pods.uid(pod), pods.status(pod), status)
        if patch is None:
            return
        if MARK not in pods.annotations_of(pod):
            patch["metadata"]["annotations"] = {MARK: "true"}
        await self._client.patch(
            PODS,
            pods.name(pod),
            patch,
            namespace=pods.namespace(pod),
            patch_type="strategic",
            subresource="status",
        )


async def remove_others(client: Client, names: Collection[str]) -> None:
    """Delete the simulated nodes of an earlier start that are not of this one, and their pods. Raises StatusError."""
    for node in (await client.list(NODES, label_selector=SELECTOR)).items:
        name = node["metadata"]["name"]
        if name in names:
            continue
        await _delete(client.delete(NODES, name))
        for pod in (await client.list(PODS, field_selector=f"spec.nodeName={name}")).items:
            await _delete(client.delete(PODS, pods.name(pod), pods.namespace(pod), grace_period_s=0))


async def _delete(deletion: Awaitable[object]) -> None:
    """Carry out a deletion; what is gone already is no error. Raises StatusError."""
    try:
        await deletion
    except StatusError as error:
        if error.code != 404:
            raise


def _retry(key: Hashable, error: PodsysctlError) -> bool:
    """Conflicts are races: another look finds the newer object, or another one of that name."""
    if not (isinstance(error, StatusError) and error.code == 409):
        log.warning("simulated %s: %s", key, error.message)
    return isinstance(error, StatusError | ConnectionFailedError)


def _node_name(pod: pods.Pod) -> str:
    return str(pods.spec(pod).get("nodeName") or "")


def _is_ready(pod: pods.Pod) -> bool:
    conditions = pods.status(pod).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
