"""The node agent: what the kubelet does, over CRI and the Kubernetes API.

It registers its node, admits and runs the pods that are bound to it, and reports. Its memory is the API and the
runtime: it may be killed at any time and finds its pods again. Stopping it leaves the pods running.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from podsysctl.base.clock import Clock, SystemClock
from podsysctl.base.errors import RuntimeServiceError, UsageError
from podsysctl.base.versions import parse_kernel_version
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import Informer, drop_managed_fields
from podsysctl.client.rest import Client
from podsysctl.node import downward, machine, node_status
from podsysctl.node import pod as pods
from podsysctl.node.backoff import Backoff
from podsysctl.node.cleanup import Cleanup, remove_everything
from podsysctl.node.config import AgentConfig
from podsysctl.node.events import PodEvents
from podsysctl.node.extension import SandboxExtension
from podsysctl.node.hostname import read_node_dns
from podsysctl.node.images import Images
from podsysctl.node.log_rotation import LogRotation
from podsysctl.node.paths import NodePaths
from podsysctl.node.pleg import Pleg
from podsysctl.node.pool import Pool
from podsysctl.node.probes.manager import Probes
from podsysctl.node.references import References
from podsysctl.node.registration import Registration
from podsysctl.node.runtime_facts import FactsOfRuntime
from podsysctl.node.runtime_reader import RuntimeReader
from podsysctl.node.shared import Shared
from podsysctl.node.status_writer import PODS, StatusWriter
from podsysctl.node.stop import Stopper
from podsysctl.node.storage_limits import StorageLimits
from podsysctl.node.tasks import Tasks
from podsysctl.node.volumes.manager import Volumes
from podsysctl.node.volumes.tokens import Tokens
from podsysctl.node.worker import Services
from podsysctl.policy import kubelet as kubelet_policy
from podsysctl.policy.admission.verdict import NodeView
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.runtime.service import RuntimeService

log = logging.getLogger(__name__)

HOUSEKEEPING_S = 10.0
"""Interval of looking for what pods that are gone have left."""

COMPONENT = "kubelet"
"""Name of this component in events, as clients expect it."""


def parse_allowlist(config: AgentConfig, kernel_release: str) -> kubelet_policy.Allowlist:
    """The node's sysctl allowlist. Raises UsageError in the words in which a kubelet refuses to start."""
    try:
        kernel = parse_kernel_version(kernel_release)
        return kubelet_policy.Allowlist.parse(config.kubelet.allowed_unsafe_sysctls, kernel)
    except UsageError as error:
        raise UsageError(f"failed to run Kubelet: failed to create kubelet: {error.message}") from error


class Agent:
    """One node. `run` works until cancelled; `ready` is set once the node reported Ready."""

    def __init__(
        self,
        client: Client,
        runtime: RuntimeService,
        config: AgentConfig,
        *,
        clock: Clock | None = None,
        extensions: tuple[SandboxExtension, ...] = (),
    ) -> None:
        """Raises UsageError when the configuration is one that a kubelet would not start with."""
        self._extensions = extensions
        self._client = client
        self._runtime = runtime
        self.config = config
        self._clock = clock or SystemClock()
        self.paths = NodePaths(config.root)
        config.root.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._machine = machine.read(config.root)
        self._allowlist = parse_allowlist(config, self._machine.kernel_version)
        self._default_sysctls = kubelet_policy.parse_default_pod_sysctls(config.kubelet.default_pod_sysctls)
        self._addresses = config.node_ips or (machine.default_address(),)
        self._amounts = node_status.allocatable_amounts(self._machine, config)
        self._informer = Informer(
            client, PODS, field_selector=f"spec.nodeName={config.node_name}", transform=drop_managed_fields
        )
        self._pool: Pool | None = None
        self._registration: Registration | None = None
        self.ready = asyncio.Event()

    def pod(self, namespace: str, name: str) -> pods.Pod | None:
        """A pod of this node, as the API has it."""
        return self._informer.get(name, namespace)

    def all_pods(self) -> list[pods.Pod]:
        """All pods of this node, as the API has them."""
        return list(self._informer.store.values())

    async def run(self) -> None:
        """Register and run pods until cancelled; pods keep running afterwards.

        Raises StatusError when the API refuses the node, RuntimeServiceError when the runtime cannot be used.
        """
        version = await self._runtime.version()
        recorder = EventRecorder(self._client, COMPONENT, self.config.node_name, time=self._clock)
        async with Tasks() as tasks:
            pleg = Pleg(self._runtime, self.config.node_name, self._clock, self._runtime_changed)
            services = self._services(tasks, recorder, pleg, version.runtime_name)
            self._pool = Pool(services, tasks, self._clock, self._view, pleg.has)
            registration = Registration(
                self._client,
                FactsOfRuntime(self._runtime, pleg.problem),
                recorder,
                self.config,
                self._machine,
                self._addresses,
                self._clock,
            )
            self._registration = registration
            try:
                await self._work(recorder, registration, pleg, services)
            finally:
                await self._pool.finish_steps()

    async def _work(
        self, recorder: EventRecorder, registration: Registration, pleg: Pleg, services: Services
    ) -> None:
        """Everything that goes on beside the pods' own workers, until cancelled."""
        assert self._pool is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            await pleg.relist()
            await registration.register()
            self.ready.set()
            group.create_task(registration.follow())
            self._informer.add_handler(self._pool.added, lambda _, new: self._update(new), self._pool.removed)
            group.create_task(self._informer.run())
            group.create_task(registration.report_loop())
            group.create_task(registration.lease_loop())
            group.create_task(pleg.run())
            group.create_task(pleg.follow_events())
            group.create_task(self._housekeeping(services))
            group.create_task(StorageLimits(self.paths, services.shared.events, self._pool.active).run())
            group.create_task(LogRotation(self._runtime, self.config.node_name, self._clock).run())

    def _services(self, tasks: Tasks, recorder: EventRecorder, pleg: Pleg, runtime_name: str) -> Services:
        """Wire the parts together."""
        client, runtime, config, clock = self._client, self._runtime, self.config, self._clock
        events = PodEvents(recorder)
        references = References(client, tasks, self._referenced_changed)
        reader = RuntimeReader(runtime, config.node_name)
        volumes = Volumes(self.paths, references, Tokens(client, clock), clock, self._node_facts)
        stopper = Stopper(runtime, events, clock, self._extensions)
        kubelet = config.kubelet
        pulls = 1 if kubelet.serialize_image_pulls else kubelet.max_parallel_image_pulls or 16
        shared = Shared(
            config=config,
            paths=self.paths,
            runtime=runtime,
            reader=reader,
            references=references,
            images=Images(runtime, references, clock, config.image_aliases, pulls),
            events=events,
            stopper=stopper,
            clock=clock,
            crash_backoff=Backoff(clock, maximum_s=kubelet.crash_loop_maximum_s),
            sandbox_slots=asyncio.Semaphore(config.max_sandbox_starts),
            node_facts=self._node_facts,
            recursive_read_only=self._recursive_read_only,
            node_dns=read_node_dns(kubelet.resolv_conf),
            default_sysctls=self._default_sysctls,
            memory_bytes=self._machine.memory_bytes,
            runtime_name=runtime_name,
            extensions=self._extensions,
        )
        return Services(
            shared=shared,
            volumes=volumes,
            probes=Probes(runtime, events, tasks, clock, self._probe_changed),
            statuses=StatusWriter(client, tasks, self._gone),
            pleg=pleg,
            cleanup=Cleanup(client, runtime, reader, stopper, volumes, self.paths, config),
        )

    def _node_facts(self) -> downward.NodeFacts:
        return downward.NodeFacts(self._addresses, self._amounts)

    def _recursive_read_only(self, pod: pods.Pod) -> bool:
        node = self._registration.node if self._registration is not None else {}
        return node_status.has_recursive_read_only(node, pods.spec(pod).get("runtimeClassName") or "")

    def _view(self, active: list[pods.Pod]) -> NodeView:
        node: dict[str, Any] = self._registration.node if self._registration is not None else {}
        if not node:
            node = node_status.initial(self.config, self._machine)
        return NodeView(
            allowlist=self._allowlist,
            node_name=self.config.node_name,
            labels=node["metadata"].get("labels") or {},
            taints=(node.get("spec") or {}).get("taints") or (),
            allocatable=self._amounts,
            active_pods=[PodInfo(pod) for pod in active],
            has_app_armor=self._machine.has_app_armor,
            has_groups_policy=node_status.has_groups_policy(node),
        )

    def _update(self, pod: pods.Pod) -> None:
        if self._pool is not None:
            self._pool.updated(pod)

    def _runtime_changed(self, uid: str) -> None:
        if self._pool is not None:
            self._pool.wake(uid, stale=True)

    def _probe_changed(self, uid: str) -> None:
        if self._pool is not None:
            self._pool.wake(uid)

    def _referenced_changed(self, uid: str) -> None:
        if self._pool is not None:
            self._pool.wake(uid)

    def _gone(self, uid: str) -> None:
        if self._pool is not None:
            self._pool.gone(uid)

    def _known(self) -> set[str]:
        """Uids of the pods that the API has or that have a worker."""
        known = {pods.uid(pod) for pod in self._informer.store.values()}
        return known if self._pool is None else known | self._pool.known()

    async def _housekeeping(self, services: Services) -> None:
        """Remove and forget what pods left that are gone; the first time as soon as the API's pods are known."""
        await self._informer.synced.wait()
        while True:
            try:
                await services.cleanup.orphans(self._known)
            except RuntimeServiceError as error:
                log.warning("clean-up put off: %s", error.message)
            services.shared.crash_backoff.forget_old()
            services.shared.images.forget_old()
            await asyncio.sleep(HOUSEKEEPING_S)


async def drain(
    client: Client, runtime: RuntimeService, config: AgentConfig, extensions: tuple[SandboxExtension, ...] = ()
) -> None:
    """Stop and remove every pod of a node from this machine, when the node itself is to go away.

    The agent must not be running. Raises PodsysctlError when something could not be removed.
    """
    tasks = Tasks()
    paths = NodePaths(config.root)
    clock = SystemClock()
    references = References(client, tasks, lambda _: None)
    facts = downward.NodeFacts(config.node_ips, {})
    volumes = Volumes(paths, references, Tokens(client, clock), clock, lambda: facts)
    stopper = Stopper(runtime, PodEvents(EventRecorder(client, COMPONENT)), clock, extensions)
    await remove_everything(client, runtime, stopper, volumes, paths, config)
