"""Starts the containers of one pod: back-off, image, configuration, creation, start, postStart hook."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from podsysctl.base.errors import ConnectionFailedError, RuntimeServiceError, StatusError
from podsysctl.node import container, events, hooks
from podsysctl.node import pod as pods
from podsysctl.node.actions import Actions
from podsysctl.node.backoff import format_delay
from podsysctl.node.environment import Resolver
from podsysctl.node.images import ImageError
from podsysctl.node.interrupt import run_unless
from podsysctl.node.runtime_state import EXITED, PodRuntime
from podsysctl.node.security import ContainerConfigError
from podsysctl.node.shared import Outcome, Shared
from podsysctl.node.volumes.manager import Volume
from podsysctl.runtime import cri_pb2 as cri

log = logging.getLogger(__name__)


class Starter:
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
        self._context = container.Context(
            pod,
            shared.config,
            shared.paths,
            volumes,
            ips,
            shared.memory_bytes,
            shared.recursive_read_only(pod),
        )
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
            facts, volumes = shared.node_facts(), self._context.volumes
            resolver = Resolver(self._pod, spec, shared.references, facts, self._ips, volumes)
            variables = await resolver.resolve()
            config = container.build(self._context, spec, self._attempt(name), image, variables)
            self._join_target(spec, config)
        except (ContainerConfigError, StatusError, ConnectionFailedError) as error:
            record(events.WARNING, events.FAILED, f"Error: {error.message}")
            self._outcome.fail(name, "CreateContainerConfigError", error.message)
            return False
        try:
            before = self._runtime.latest(name)
            if before is not None:  # a start that was cut off may have left its process: never two of them at once
                await shared.runtime.end_leftover(before.id)
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
        self._outcome.started[name] = container_id
        return await self._post_start(spec, container_id, record)

    def _join_target(self, spec: pods.Container, config: Any) -> None:
        """A debug container shares the processes of the container it names. Raises ContainerConfigError."""
        target = spec.get("targetContainerName")
        options = config.linux.security_context.namespace_options
        if not target or options.pid != cri.CONTAINER:
            return
        record = self._runtime.latest(target)
        if record is None:
            raise ContainerConfigError(f"unable to find target container {target}")
        options.pid = cri.TARGET
        options.target_id = record.id

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


