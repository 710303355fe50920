"""One node of a machine: its HTTPS endpoint, its agent, its configuration daemon, and its tuning.

The agent is restarted when the kubelet configuration changes; the endpoint and the pods go on meanwhile.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.node import config_daemon, machine, published
from podsysctl.node import pod as pods
from podsysctl.node.agent import Agent, parse_allowlist
from podsysctl.node.config import AgentConfig, load_kubelet_configuration
from podsysctl.node.config_daemon import ConfigDaemon
from podsysctl.node.networks.places import MachinePlaces, NodeNetworks
from podsysctl.node.server import NodeServer, Tls
from podsysctl.node.tuning import tuner
from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.node.tuning.tuned_daemon import TunedDaemon
from podsysctl.node.tuning.tuner import NodeTuner
from podsysctl.runtime.service import RuntimeService
from podsysctl.sysctls.kernel_facts import KernelFacts


class AgentStartError(PodsysctlError):
    """An agent did not become ready."""

    reason = "AgentStartFailed"


class NodeSupervisor:
    """`config.kubelet` is replaced by what `kubelet_file` holds, when that file exists, at every start.

    `follows_pools` is False where no pools are served: the node then keeps the configuration it was given. Without
    `places` pods have no additional networks. `arbiter` is the machine's, open and the same for all of its nodes;
    without one the node is not tuned. With `daemon` the distribution's TuneD applies the profile.
    """

    def __init__(
        self,
        client: Client,
        runtime: RuntimeService,
        config: AgentConfig,
        tls: Tls,
        kernel: asyncio.Task[KernelFacts | None],
        *,
        drains: bool = True,
        follows_pools: bool = True,
        places: MachinePlaces | None = None,
        arbiter: Arbiter | None = None,
        daemon: TunedDaemon | None = None,
    ) -> None:
        self._networks = NodeNetworks(client, runtime, config.node_name, config.root, places) if places else None
        self._tuning_events = EventRecorder(client, tuner.COMPONENT, config.node_name)
        self._tuner: NodeTuner | None = None
        if arbiter is not None:
            self._tuner = NodeTuner(
                client,
                config.node_name,
                arbiter,
                self._tuning_events,
                running=self.pods,
                daemon=daemon,
                protects=lambda: self._agent is not None and self._agent.config.kubelet.protect_kernel_defaults,
            )
        self._client = client
        self._runtime = runtime
        self._config = config
        self._tls = tls
        self._kernel = kernel
        self._drains = drains
        self._follows_pools = follows_pools
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._settled.set()
        self._agent: Agent | None = None

    @property
    def kubelet_file(self) -> Path:
        """Where this node's kubelet configuration lies."""
        return self._config.root / "kubelet.conf"

    @property
    def name(self) -> str:
        """The node's name."""
        return self._config.node_name

    def pod(self, namespace: str, name: str) -> pods.Pod | None:
        """A pod of this node, with the status last reported."""
        return self._agent.pod(namespace, name) if self._agent is not None else None

    def pods(self) -> Iterable[pods.Pod]:
        """All pods of this node."""
        return self._agent.all_pods() if self._agent is not None else ()

    def _build(self) -> Agent:
        """An agent with the configuration on disk. Raises UsageError as a kubelet would refuse to start."""
        config = self._config
        if self.kubelet_file.exists():
            config = replace(config, kubelet=load_kubelet_configuration(self.kubelet_file))
        if self._networks is None:
            return Agent(self._client, self._runtime, config)
        allowed = parse_allowlist(config, os.uname().release)
        return Agent(self._client, self._runtime, config, extensions=(self._networks.extension(allowed),))

    async def run(self) -> None:
        """Run the node until cancelled; pods keep running afterwards. Raises UsageError, StatusError."""
        address = (self._config.node_ips or (machine.default_address(),))[0]
        async with (
            NodeServer(self._runtime, self, self._tls, address=address, port=self._config.kubelet_port) as server,
            asyncio.TaskGroup() as group,
        ):
            self._config = replace(self._config, kubelet_port=server.port)
            if self._follows_pools:
                recorder = EventRecorder(self._client, config_daemon.COMPONENT, self.name)
                nodes = Informer(self._client, config_daemon.NODE, field_selector=f"metadata.name={self.name}")
                daemon = ConfigDaemon(
                    self._client, nodes, self.name, self.kubelet_file, self.restart, recorder, drains=self._drains
                )
                daemon.recover()
                await daemon.restore()
                group.create_task(recorder.run())
                group.create_task(nodes.run())
                group.create_task(config_daemon.follow(nodes, {self.name: daemon}))
            if self._networks is not None:
                await asyncio.to_thread(self._networks.allowlist.ensure)
                group.create_task(self._networks.run())
            self._agent = self._build()
            self._task = asyncio.create_task(self._agent.run())
            if self._tuner is not None:
                group.create_task(self._tuning_events.run())
                group.create_task(self._tuner.run())
            group.create_task(self._publish(self._agent))
            try:
                await self._keep_running()
            finally:
                await _end(self._task)

    async def _keep_running(self) -> None:
        """Wait for the agent to fail; while it is being replaced, its end is `restart`'s to judge."""
        while True:
            await self._settled.wait()
            task = self._task
            assert task is not None
            await asyncio.wait({task})
            if self._settled.is_set() and task is self._task:
                task.result()
                raise AgentStartError(f"the agent of node {self.name} ended without an error")

    async def restart(self) -> None:
        """Replace the agent by one with the configuration now on disk, and wait until it is ready.

        Raises UsageError when the configuration is refused (the former agent then goes on untouched), and the
        new agent's own error or AgentStartError when it does not become ready.
        """
        agent = self._build()
        self._settled.clear()
        old = self._task
        self._agent = agent
        self._task = task = asyncio.create_task(self._start_after(old, agent))
        ready = asyncio.create_task(agent.ready.wait())
        try:
            await asyncio.wait({task, ready}, timeout=limits.REQUEST_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(ready)
        if task.done():
            task.result()
        if not agent.ready.is_set():
            raise AgentStartError(f"the agent of node {self.name} is not ready after {limits.REQUEST_TIMEOUT_S} s")
        await published.publish(self._client, agent.config, self._kernel)
        self._settled.set()
        if self._tuner is not None:
            self._tuner.wake()  # protectKernelDefaults may be another

    async def _publish(self, agent: Agent) -> None:
        """Tell in the Node object what this agent allows, once the object is there."""
        await agent.ready.wait()
        await published.publish(self._client, agent.config, self._kernel)

    @staticmethod
    async def _start_after(old: asyncio.Task[None] | None, agent: Agent) -> None:
        if old is not None:
            await _end(old)
        await agent.run()


async def _end(task: asyncio.Task[object]) -> None:
    """Cancel a task and wait for it; its own failure has been seen elsewhere or is raised by the task group."""
    task.cancel()
    await asyncio.wait({task})
