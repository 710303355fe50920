"""Stopping containers and sandboxes: preStop, stop signal, grace period, kill (kuberuntime_container.go)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from podsysctl.base.clock import Clock
from podsysctl.base.errors import RuntimeServiceError
from podsysctl.node import events, hooks
from podsysctl.node import pod as pods
from podsysctl.node.actions import LIVENESS, STARTUP
from podsysctl.node.events import PodEvents
from podsysctl.node.extension import SandboxExtension
from podsysctl.node.runtime_state import ContainerRecord, PodRuntime
from podsysctl.runtime.service import RuntimeService

log = logging.getLogger(__name__)

MINIMUM_GRACE_S = 2
"""Shortest time between stop signal and kill, so that a container is not killed needlessly."""

DEFAULT_GRACE_S = 30


class Stopper:
    """Stops what runs for a pod."""

    def __init__(
        self,
        runtime: RuntimeService,
        events_: PodEvents,
        clock: Clock,
        extensions: tuple[SandboxExtension, ...] = (),
    ) -> None:
        self._extensions = extensions
        self._runtime = runtime
        self._events = events_
        self._clock = clock

    async def container(
        self,
        pod: pods.Pod,
        record: ContainerRecord,
        pod_ip: str,
        *,
        message: str = "",
        probe: str = "",
        grace_s: int | None = None,
        order: Order | None = None,
    ) -> None:
        """Stop one container. Raises RuntimeServiceError."""
        container = pods.find_container(pod, record.name) or {"name": record.name}
        if grace_s is None:
            grace_s = grace_period_s(pod, container, probe)
        text = message or f"Stopping container {record.name}"
        self._events.container(pod, record.name, events.NORMAL, events.KILLING, text)
        begun_s = self._clock.monotonic_s()
        hook = (container.get("lifecycle") or {}).get("preStop")
        if hook and grace_s > 0:
            await self._pre_stop(pod, container, record.id, hook, pod_ip, grace_s)
        if order is not None and grace_s > 0:
            await order.wait(record.name, grace_s - (self._clock.monotonic_s() - begun_s))
        left_s = max(MINIMUM_GRACE_S, grace_s - int(self._clock.monotonic_s() - begun_s))
        try:
            await self._runtime.stop_container(record.id, left_s)
        except RuntimeServiceError as error:
            if error.code != "NotFound":
                raise
        finally:
            if order is not None:
                order.ended(record.name)

    async def _pre_stop(
        self,
        pod: pods.Pod,
        container: pods.Container,
        container_id: str,
        hook: dict[str, Any],
        pod_ip: str,
        grace_s: int,
    ) -> None:
        try:
            async with asyncio.timeout(grace_s):
                await hooks.run(self._runtime, pod, container, container_id, hook, pod_ip)
        except TimeoutError:
            log.info("preStop hook of %s in %s did not end in %d s", container["name"], pods.full_name(pod), grace_s)
        except hooks.HookError as error:
            log.info("%s", error)
            self._events.container(
                pod, container["name"], events.WARNING, events.FAILED_PRE_STOP, "PreStopHook failed"
            )

    async def everything(self, pod: pods.Pod, runtime: PodRuntime, grace_s: int | None = None) -> None:
        """Stop all containers at once, sidecars after the others, then the sandboxes. Raises RuntimeServiceError.

        Of containers that do not run, a start that was cut off may have left something: that ends as well.
        """
        running = runtime.running()
        order = Order(pod, [r.name for r in running]) if pods.has_restartable_init(pod) else None
        pod_ip = runtime.ips[0] if runtime.ips else ""
        results = await asyncio.gather(
            *(self.container(pod, r, pod_ip, grace_s=grace_s, order=order) for r in running), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for record in runtime.containers:
            if record not in running:
                await self._runtime.end_leftover(record.id)
        for sandbox in runtime.sandboxes:
            await self.sandbox(runtime.uid, sandbox.id)

    async def sandbox(self, pod_uid: str, sandbox_id: str) -> None:
        """Stop a sandbox, its extensions first. Raises RuntimeServiceError, and what extensions raise."""
        for extension in self._extensions:
            await extension.removing(pod_uid, sandbox_id)
        try:
            await self._runtime.stop_pod_sandbox(sandbox_id)
        except RuntimeServiceError as error:
            if error.code != "NotFound":
                raise


class Order:
    """Sidecars end after all regular containers, and the later declared ones first."""

    def __init__(self, pod: pods.Pod, running: Sequence[str]) -> None:
        self._ended: dict[str, asyncio.Event] = {}
        self._before: dict[str, list[str]] = {}
        for container in pods.all_containers(pod):
            name = container["name"]
            self._ended[name] = asyncio.Event()
            if name not in running:
                self._ended[name].set()
        regular = [c["name"] for c in pods.containers(pod)]
        later: list[str] = []
        for container in reversed(pods.init_containers(pod)):
            if pods.is_restartable_init(container):
                self._before[container["name"]] = [*regular, *later]
                later.append(container["name"])

    async def wait(self, name: str, limit_s: float) -> None:
        """Wait for all that must end before this container, at most so long."""
        try:
            async with asyncio.timeout(max(0.0, limit_s)):
                for other in self._before.get(name, ()):
                    await self._ended[other].wait()
        except TimeoutError:
            return

    def ended(self, name: str) -> None:
        """Tell that a container ended."""
        if name in self._ended:
            self._ended[name].set()


def grace_period_s(pod: pods.Pod, container: pods.Container, probe: str) -> int:
    """Seconds between stop signal and kill: the deletion's, the failed probe's own, or the pod's."""
    deletion = pods.deletion_grace_s(pod)
    if deletion is not None:
        return deletion
    field = {LIVENESS: "livenessProbe", STARTUP: "startupProbe"}.get(probe)
    own = (container.get(field) or {}).get("terminationGracePeriodSeconds") if field else None
    if own is not None:
        return int(own)
    given = pods.spec(pod).get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE_S if given is None else int(given)
