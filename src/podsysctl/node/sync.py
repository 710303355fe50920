"""Carries out what `actions.py` decided for one pod: sandbox, init containers, containers (SyncPod of the kubelet)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.clock import Clock
from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, RuntimeServiceError, StatusError
from podsysctl.node import cgroups, container, downward, events, hooks, sandbox, verify
from podsysctl.node import pod as pods
from podsysctl.node.actions import Actions
from podsysctl.node.backoff import Backoff, format_delay
from podsysctl.node.config import AgentConfig
from podsysctl.node.container_status import StartFailure
from podsysctl.node.environment import Resolver
from podsysctl.node.events import PodEvents
from podsysctl.node.extension import SandboxExtension
from podsysctl.node.hostname import DNS
from podsysctl.node.images import ImageError, Images
from podsysctl.node.interrupt import run_unless
from podsysctl.node.paths import NodePaths
from podsysctl.node.references import References
from podsysctl.node.runtime_reader import RuntimeReader
from podsysctl.node.runtime_state import EXITED, PodRuntime
from podsysctl.node.security import ContainerConfigError
from podsysctl.node.stop import Stopper
from podsysctl.node.volumes.manager import Volume
from podsysctl.policy import kubelet as kubelet_policy
from podsysctl.runtime.service import RuntimeService

log = logging.getLogger(__name__)

@dataclass(slots=True)
class Outcome:
    """What one pass did: whether anything happened, what failed by container, and when to try again (seconds)."""

    acted: bool = False
    failures: dict[str, StartFailure] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    error: str = ""
    retry_s: float | None = None

    def fail(self, name: str, reason: str, message: str, retry_s: float | None = None) -> None:
        """Note a container that did not start."""
        self.failures[name] = StartFailure(reason, message)
        self.error = self.error or f"{reason}: {message}"
        if retry_s is not None:
            self.retry_s = retry_s if self.retry_s is None else min(self.retry_s, retry_s)


@dataclass(slots=True)
class Shared:
    """What all pods of a node use."""

    config: AgentConfig
    paths: NodePaths
    runtime: RuntimeService
    reader: RuntimeReader
    references: References
    images: Images
    events: PodEvents
    stopper: Stopper
    clock: Clock
    crash_backoff: Backoff
    sandbox_slots: asyncio.Semaphore
    node_facts: Callable[[], downward.NodeFacts]
    node_dns: DNS
    default_sysctls: dict[str, str]
    memory_bytes: int
    runtime_name: str
    extensions: tuple[SandboxExtension, ...] = ()


class PodSync:
    """Starts and restarts the parts of one pod."""

    def __init__(self, shared: Shared, ending: asyncio.Event) -> None:
        self._shared = shared
        self._ending = ending
        self.verified: dict[str, Any] | None = None
        self.verified_sandbox = ""

    async def carry_out(
        self, pod: pods.Pod, runtime: PodRuntime, plan: Actions, volumes: Mapping[str, Volume]
    ) -> Outcome:
        """Do what the plan says, as far as it goes. Raises RuntimeServiceError for failures of no one container."""
        outcome = Outcome(acted=not plan.idle)
        if plan.create_sandbox and plan.sandbox.sandbox_id:
            text = "Pod sandbox changed, it will be killed and re-created."
            self._shared.events.pod(pod, events.NORMAL, events.SANDBOX_CHANGED, text)
        if plan.kill_pod:
            await self._shared.stopper.everything(pod, runtime)
            if plan.create_sandbox:
                await self._purge_init_containers(pod, runtime)
        else:
            await self._kill_some(pod, runtime, plan)
        sandbox_id, ips = plan.sandbox.sandbox_id, runtime.ips
        if plan.create_sandbox:
            made = await self._create_sandbox(pod, plan, outcome)
            if made is None:
                return outcome
            sandbox_id, ips = made
        starts = [*plan.start_ephemeral, *plan.start_init, *plan.start]
        if not starts or self._ending.is_set():
            return outcome
        if pods.is_host_network(pod):
            ips = self._shared.node_facts().ips
        starter = _Starter(self._shared, pod, runtime, sandbox_id, ips, volumes, outcome, self._ending)
        starter.sandbox_config = self._sandbox_config(pod, plan.sandbox.attempt)
        await starter.start_all(plan)
        return outcome

    async def verify_existing(self, pod: pods.Pod, runtime: PodRuntime) -> bool:
        """Read the sysctls back in a sandbox that was not made by this process. True when something was read."""
        ready = runtime.ready_sandbox()
        if ready is None or self.verified_sandbox == ready.id:
            return False
        if not pods.sysctls(pod):
            return False
        await self._verify(pod, await self._shared.runtime.pod_sandbox_status(ready.id, verbose=True))
        return True

    async def _kill_some(self, pod: pods.Pod, runtime: PodRuntime, plan: Actions) -> None:
        pod_ip = runtime.ips[0] if runtime.ips else ""
        for kill in plan.kill:
            await self._shared.stopper.container(
                pod, kill.record, pod_ip, message=kill.message, probe=kill.probe
            )

    async def _purge_init_containers(self, pod: pods.Pod, runtime: PodRuntime) -> None:
        names = {c["name"] for c in pods.init_containers(pod)}
        for record in [r for r in runtime.containers if r.name in names]:
            await self._shared.runtime.remove_container(record.id)
            self._shared.reader.forget(record.id)
            runtime.containers.remove(record)

    def _sandbox_config(self, pod: pods.Pod, attempt: int) -> Any:
        shared = self._shared
        return sandbox.build(
            pod,
            shared.config,
            shared.paths,
            attempt=attempt,
            node_dns=shared.node_dns,
            default_sysctls=shared.default_sysctls,
            cgroup_parent=cgroups.parent(pod, shared.config),
        )

    async def _create_sandbox(
        self, pod: pods.Pod, plan: Actions, outcome: Outcome
    ) -> tuple[str, tuple[str, ...]] | None:
        """Make the sandbox; its id and addresses, or None after a failure, which is told as an event."""
        shared = self._shared
        config = self._sandbox_config(pod, plan.sandbox.attempt)
        shared.paths.pod_logs(pod).mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            async with shared.sandbox_slots:
                if self._ending.is_set():
                    return None
                cgroups.ensure(pod, shared.config)
                handler = pods.spec(pod).get("runtimeClassName") or ""
                sandbox_id = await shared.runtime.run_pod_sandbox(config, handler)
        except cgroups.CgroupError as error:
            shared.events.pod(pod, events.WARNING, error.reason, error.message)
            outcome.error = error.message
            return None
        except RuntimeServiceError as error:
            if not self._ending.is_set():
                text = f"Failed to create pod sandbox: {error.message}"
                shared.events.pod(pod, events.WARNING, events.FAILED_CREATE_SANDBOX, text)
            outcome.error = error.message
            return None
        try:
            response = await shared.runtime.pod_sandbox_status(sandbox_id, verbose=bool(pods.sysctls(pod)))
        except RuntimeServiceError as error:
            text = f"Unable to get pod sandbox status: {error.message}"
            shared.events.pod(pod, events.WARNING, events.FAILED_SANDBOX_STATUS, text)
            outcome.error = error.message
            return None
        if not await self._extend(pod, sandbox_id, outcome):
            return None
        await self._verify(pod, response)
        network = response.status.network
        ips = (network.ip, *(entry.ip for entry in network.additional_ips))
        return sandbox_id, tuple(ip for ip in ips if ip)

    async def _extend(self, pod: pods.Pod, sandbox_id: str, outcome: Outcome) -> bool:
        """Let extensions add to the sandbox; one that fails costs the sandbox, and the next try makes a new one."""
        try:
            for extension in self._shared.extensions:
                await extension.added(pod, sandbox_id)
        except PodsysctlError as error:
            text = f"Failed to create pod sandbox: {error.message}"
            self._shared.events.pod(pod, events.WARNING, events.FAILED_CREATE_SANDBOX, text)
            outcome.error = error.message
            await self._shared.stopper.sandbox(pods.uid(pod), sandbox_id)
            return False
        return True

    async def _verify(self, pod: pods.Pod, response: Any) -> None:
        """Read back declared sysctls once per sandbox, given its verbose status, and warn when one is not there."""
        self.verified_sandbox = response.status.id
        if not pods.sysctls(pod):
            return
        declared = kubelet_policy.sandbox_sysctls(pod)
        result = await verify.verify(response, declared)
        self.verified = verify.condition(declared, result)
        if not isinstance(result, str) and result:
            text = "Declared sysctls are not in effect: " + "; ".join(str(d) for d in result)
            self._shared.events.pod(pod, events.WARNING, events.SYSCTLS_NOT_APPLIED, text)


class _Starter:
    """Starts containers of one pod in one sandbox."""

    def __init__(
        self,
        shared: Shared,
        pod: pods.Pod,
        runtime: PodRuntime,
        sandbox_id: str,
        ips: tuple[str, ...],
        volumes: Mapping[str, Volume],
        outcome: Outcome,
        ending: asyncio.Event,
    ) -> None:
        self._shared = shared
        self._pod = pod
        self._runtime = runtime
        self._sandbox_id = sandbox_id
        self._ips = ips
        self._outcome = outcome
        self._ending = ending
        self._context = container.Context(pod, shared.config, shared.paths, volumes, ips, shared.memory_bytes)
        self.sandbox_config: Any = None

    async def start_all(self, plan: Actions) -> None:
        """Ephemeral containers, then init containers up to the first failure, then the others."""
        for spec in plan.start_ephemeral:
            await self._start(spec)
        for spec in plan.start_init:
            if not await self._start(spec) and not pods.is_restartable_init(spec):
                return
        for spec in plan.start:
            await self._start(spec)

    async def _start(self, spec: pods.Container) -> bool:
        """Start one container; failures are noted in the outcome and told as events."""
        name = spec["name"]
        if self._ending.is_set() or self._backs_off(spec):
            return False
        record = self._shared.events.of_container(self._pod, name)
        try:
            image = await run_unless(self._ending, self._shared.images.ensure(self._pod, spec, record))
        except ImageError as error:
            record(events.WARNING, events.FAILED, f"Error: {error.reason}")
            self._outcome.fail(name, error.reason, error.message, error.retry_s or None)
            return False
        except (RuntimeServiceError, StatusError, ConnectionFailedError) as error:
            text = f'Failed to inspect image "{spec.get("image", "")}": {error.message}'
            record(events.WARNING, "InspectFailed", text)
            self._outcome.fail(name, "ImageInspectError", text)
            return False
        return await self._create_and_start(spec, image, record)

    async def _create_and_start(
        self, spec: pods.Container, image: container.Image, record: Callable[[str, str, str], None]
    ) -> bool:
        name, shared = spec["name"], self._shared
        try:
            resolver = Resolver(self._pod, spec, shared.references, shared.node_facts(), self._ips)
            variables = await resolver.resolve()
            config = container.build(self._context, spec, self._attempt(name), image, variables)
        except (ContainerConfigError, StatusError, ConnectionFailedError) as error:
            record(events.WARNING, events.FAILED, f"Error: {error.message}")
            self._outcome.fail(name, "CreateContainerConfigError", error.message)
            return False
        try:
            container_id = await shared.runtime.create_container(self._sandbox_id, config, self.sandbox_config)
        except RuntimeServiceError as error:
            record(events.WARNING, events.FAILED, f"Error: {error.detail}")
            self._outcome.fail(name, "CreateContainerError", error.detail)
            return False
        record(events.NORMAL, events.CREATED, "Container created")
        try:
            await shared.runtime.start_container(container_id)
        except RuntimeServiceError as error:
            record(events.WARNING, events.FAILED, f"Error: {error.detail}")
            self._outcome.fail(name, "RunContainerError", error.detail)
            return False
        record(events.NORMAL, events.STARTED, "Container started")
        self._outcome.started.append(name)
        return await self._post_start(spec, container_id, record)

    async def _post_start(
        self, spec: pods.Container, container_id: str, record: Callable[[str, str, str], None]
    ) -> bool:
        hook = (spec.get("lifecycle") or {}).get("postStart")
        if not hook:
            return True
        shared, pod_ip = self._shared, self._ips[0] if self._ips else ""
        try:
            work = hooks.run(shared.runtime, self._pod, spec, container_id, hook, pod_ip)
            await run_unless(self._ending, work)
        except hooks.HookError as error:
            log.info("%s", error)
            record(events.WARNING, events.FAILED_POST_START, "PostStartHook failed")
            fresh = await shared.reader.read(pods.uid(self._pod))
            latest = fresh.latest(spec["name"])
            if latest is not None:
                await shared.stopper.container(self._pod, latest, pod_ip, message="FailedPostStartHook")
            self._outcome.fail(spec["name"], "PostStartHookError", str(error))
            return False
        return True

    def _attempt(self, name: str) -> int:
        """How often the container was started before, from the runtime or, when it forgot, from the logs."""
        latest = self._runtime.latest(name)
        if latest is not None:
            return latest.attempt + 1
        directory = self._shared.paths.container_logs(self._pod, name)
        if not directory.is_dir():
            return 0
        numbers = [int(p.stem) for p in directory.glob("*.log*") if p.stem.isdigit()]
        return max(numbers, default=-1) + 1

    def _backs_off(self, spec: pods.Container) -> bool:
        """Whether the container crashed too recently; the first restart is immediate."""
        name = spec["name"]
        ended = next((r for r in self._runtime.containers if r.name == name and r.state == EXITED), None)
        if ended is None:
            return False
        clock, backoff = self._shared.clock, self._shared.crash_backoff
        since_s = max(0.0, clock.now().timestamp() - ended.finished_ns / 1e9)
        event_s = clock.monotonic_s() - since_s
        key = backoff_key(self._pod, spec)
        left_s = backoff.remaining_s(key, event_s)
        if left_s <= 0:
            backoff.advance(key, event_s)
            return False
        where = pods.full_name(self._pod)
        text = f"Back-off restarting failed container {name} in pod {where}"
        self._shared.events.container(self._pod, name, events.WARNING, events.BACK_OFF, text)
        delay = format_delay(backoff.delay_s(key))
        text = f"back-off {delay} restarting failed container={name} pod={where}"
        self._outcome.fail(name, "CrashLoopBackOff", text, left_s)
        return True


def backoff_key(pod: pods.Pod, spec: pods.Container) -> str:
    """What a container's back-off hangs on; a new image or new resources start it anew."""
    return f"{pods.uid(pod)}/{spec['name']}/{spec.get('image', '')}/{spec.get('resources')}"


