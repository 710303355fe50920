"""All components of a cluster in one process on one machine: started in order, ended together.

Each is a client of the API with an identity and rights of its own; none has a private way into another. What they
ask of the server is what a client elsewhere would ask, without leaving the process. Those that follow all
objects of a kind share one watch of it. SIGTERM and SIGINT end the process and leave the pods running; `down` removes
them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from podsysctl.apiserver import kubeconfig
from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.cli import machine_files
from podsysctl.cli.machine_files import MachineFiles, MachineState
from podsysctl.client.config import ClientConfig
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.cni import install
from podsysctl.controllers.machineconfig.operator import MachineConfigOperator
from podsysctl.controllers.manager import CONTROLLERS, Manager, with_openshift_profiles
from podsysctl.node import forwarding, published
from podsysctl.node import machine as machine_facts
from podsysctl.node.config import AgentConfig, KubeletConfiguration
from podsysctl.node.networks.places import MachinePlaces
from podsysctl.node.server import Tls
from podsysctl.node.simulated import fleet
from podsysctl.node.supervisor import NodeSupervisor
from podsysctl.node.tuning import networking, tuned_daemon, tuner
from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.node.tuning.tuned_daemon import TunedDaemon
from podsysctl.runtime.containerd import PrivateContainerd
from podsysctl.runtime.images import aliases, local
from podsysctl.runtime.service import RuntimeService
from podsysctl.scheduler.scheduler import Scheduler
from podsysctl.sysctls.kernel_facts import KernelFacts

log = logging.getLogger("podsysctl")

SIMULATED_ROLE = "worker"
MASTER_TAINT = {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node to run: its name, its roles, and its taints."""

    name: str
    roles: tuple[str, ...]
    taints: tuple[dict[str, str], ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """The role labels; a master is a control plane too."""
        roles = [*self.roles, *(["control-plane"] if "master" in self.roles else [])]
        return {f"node-role.kubernetes.io/{role}": "" for role in roles}


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """What to start. `runtime_endpoint` '' means a private containerd; `port` 0 any free port.

    With `openshift_profiles` nodes are tuned as OpenShift tunes them, which changes the machine; with `uses_tuned` by
    the TuneD that is installed.
    `simulated_nodes` of the nodes have no runtime.
    """

    data_dir: Path
    nodes: tuple[NodePlan, ...]
    port: int
    runtime_endpoint: str = ""
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    openshift_profiles: bool = False
    uses_tuned: bool = False
    simulated_nodes: int = 0
    up_arguments: tuple[str, ...] = ()
    files: MachineFiles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MachineFiles(self.data_dir))

    @property
    def has_several_nodes(self) -> bool:
        """Whether pods of one node can go to another."""
        return len(self.nodes) + self.simulated_nodes > 1


def plan_nodes(masters: int, workers: int, name: str = "") -> tuple[NodePlan, ...]:
    """The nodes of `--masters M --workers N`; one node with both roles when neither is given.

    Masters are tainted only when there are workers to take the pods.
    """
    if masters + workers == 0:
        return (NodePlan(name or default_node_name(), ("master", "worker")),)
    taints = (MASTER_TAINT,) if workers else ()
    plans = [NodePlan(f"master-{i}", ("master",), taints) for i in range(masters)]
    plans += [NodePlan(f"worker-{i}", ("worker",)) for i in range(workers)]
    return tuple(plans)


def default_node_name() -> str:
    """The machine's own name as a node's: lower case, and only what a DNS name may hold."""
    raw = socket.gethostname().split(".")[0].lower()
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in raw).strip("-")
    return kept[:63] or "node"


async def serve(config: MachineConfig) -> None:
    """Run everything until SIGTERM, SIGINT or a failure. Raises PodsysctlError."""
    if config.uses_tuned:
        tuned_daemon.check_machine(len(config.nodes))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(ApiServer(ServerConfig(config.files.data_dir, port=config.port)))
        kubeconfig.write_admin(api)
        async with asyncio.TaskGroup() as group:
            components = group.create_task(_components(config, api))
            await _first(stopping.wait(), components)
            components.cancel()
    log.info("stopped; pods keep running until `podsysctl down`")


async def _first(stopped: object, components: asyncio.Task[None]) -> None:
    """Wait until told to stop, or until the components end, which is a failure that their task holds."""
    waiter = asyncio.ensure_future(stopped)  # type: ignore[call-overload]
    await asyncio.wait({waiter, components}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()


async def _components(config: MachineConfig, api: ApiServer) -> None:
    """Runtime, scheduler, controllers and nodes, until cancelled."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        scheduler = await stack.enter_async_context(_client(api, "system:kube-scheduler"))
        manager = await stack.enter_async_context(_client(api, "system:kube-controller-manager"))
        informers = InformerSet(manager)  # one copy of each object for all that follow the whole cluster
        group.create_task(informers.run(), name="informers")
        group.create_task(Scheduler(scheduler, informers=informers).run(), name="scheduler")
        controllers = with_openshift_profiles() if config.openshift_profiles else CONTROLLERS
        group.create_task(Manager(manager, informers=informers, controllers=controllers).run(), name="controllers")
        group.create_task(MachineConfigOperator(manager, informers=informers).run(), name="machine-config")
        endpoint = config.runtime_endpoint
        if not endpoint:
            containerd = PrivateContainerd(config.files.data_dir)
            if await containerd.start():
                await containerd.remove_orphans()
            if containerd.masqueraded:
                forwarding.enable(config.files.data_dir)
            group.create_task(containerd.supervise(), name="containerd")
            group.create_task(containerd.watch_orphans(), name="orphans")
            stack.push_async_callback(containerd.stop)
            endpoint = containerd.endpoint
        _tell(config, api, endpoint)
        runtime = await stack.enter_async_context(RuntimeService(endpoint))
        await local.LocalImages(runtime, config.files.data_dir / "images").ensure_toolbox()
        kernel = group.create_task(published.measure_kernel(), name="kernel-survey")
        places = MachinePlaces.below(config.files.networks)
        for name in (install.NAME, "tuning"):  # the second for plugins that run it by that name
            install.install(places.plugins[0], name)
        await _simulate(config, api, manager, informers, stack, group)
        arbiter = await _arbiter(config, places, stack)
        daemon = _daemon(config, stack)
        group.create_task(tuner.watch_drift(arbiter), name="drift")
        for plan in config.nodes:
            supervisor = await _node(config, api, runtime, plan, kernel, stack, places, arbiter, daemon)
            group.create_task(supervisor.run(), name=f"node-{plan.name}")


async def _simulate(
    config: MachineConfig,
    api: ApiServer,
    admin: Client,
    informers: InformerSet,
    stack: AsyncExitStack,
    group: asyncio.TaskGroup,
) -> None:
    """The nodes without a runtime; those of an earlier start that are not asked for any more go."""
    names = machine_files.simulated_names(config.simulated_nodes)
    await fleet.remove_others(admin, names)
    if not names:
        return
    client = await stack.enter_async_context(_client(api, "system:simulated-nodes", ("system:nodes",)))
    kubelet = KubeletConfiguration(allowed_unsafe_sysctls=config.allowed_unsafe_sysctls)
    config.files.nodes.mkdir(mode=0o750, parents=True, exist_ok=True)
    labels = NodePlan("", (SIMULATED_ROLE,)).labels
    nodes = fleet.SimulatedFleet(client, informers, names, config.files.nodes, labels=labels, kubelet=kubelet)
    group.create_task(nodes.run(), name="simulated-nodes")


async def _arbiter(config: MachineConfig, places: MachinePlaces, stack: AsyncExitStack) -> Arbiter:
    """The one arbiter of this machine's kernel: values that nodes ask for go when the last component has ended."""
    private = None if config.runtime_endpoint else PrivateContainerd(config.files.data_dir)
    dangers = networking.dangers_for(
        lambda: None if private is None else private.pod_network(), lambda: places.bridges.ours()
    )
    arbiter = Arbiter(config.files.data_dir, dangers)
    await asyncio.to_thread(tuned_daemon.restore, config.files.data_dir)
    await asyncio.to_thread(arbiter.open)
    stack.push_async_callback(asyncio.to_thread, arbiter.close)
    return arbiter


def _daemon(config: MachineConfig, stack: AsyncExitStack) -> TunedDaemon | None:
    """The distribution's TuneD, where it is to apply profiles."""
    if not config.uses_tuned:
        return None
    daemon = TunedDaemon(config.files.data_dir)
    stack.push_async_callback(asyncio.to_thread, daemon.stop)
    return daemon


async def _node(
    config: MachineConfig,
    api: ApiServer,
    runtime: RuntimeService,
    plan: NodePlan,
    kernel: asyncio.Task[KernelFacts | None],
    stack: AsyncExitStack,
    places: MachinePlaces,
    arbiter: Arbiter,
    daemon: TunedDaemon | None,
) -> NodeSupervisor:
    """One node: its HTTPS endpoint, its agent and its configuration daemon."""
    client = await stack.enter_async_context(_client(api, f"system:node:{plan.name}", ("system:nodes",)))
    kubelet = KubeletConfiguration(allowed_unsafe_sysctls=config.allowed_unsafe_sysctls)
    agent_config = AgentConfig(
        node_name=plan.name,
        root=config.files.nodes / plan.name,
        labels=plan.labels,
        taints=plan.taints,
        kubelet=kubelet,
        kubelet_port=0,
        image_aliases=aliases.LiveAliases(config.files.aliases),
    )
    address = machine_facts.default_address()
    serving = api.authority.serving_credential((address, plan.name, "localhost"), f"system:node:{plan.name}")
    tls = Tls(serving.certificate, serving.key, api.authority.ca_pem)
    several = config.has_several_nodes
    return NodeSupervisor(
        client, runtime, agent_config, tls, kernel, drains=several, places=places, arbiter=arbiter, daemon=daemon
    )


def _tell(config: MachineConfig, api: ApiServer, endpoint: str) -> None:
    config.files.write_state(
        MachineState(
            pid=os.getpid(),
            server=api.url,
            kubeconfig=str(config.files.kubeconfig),
            runtime_endpoint=endpoint,
            private_runtime=not config.runtime_endpoint,
            nodes=tuple(plan.name for plan in config.nodes),
            simulated_nodes=config.simulated_nodes,
            up_arguments=config.up_arguments,
        )
    )


def _client(api: ApiServer, user: str, groups: tuple[str, ...] = ()) -> Client:
    """A client for one component."""
    return Client(ClientConfig(server=api.url), in_process=api.in_process(user, groups))
