"""One pod's worker: brings the runtime to what the API wants and the API to what the runtime is, one step at a time.

A pod is synced while it lives, terminated when it is deleted, done or evicted, and then cleaned up. Steps of one pod
never run in parallel; `wake` asks for another one. The states are the kubelet's (pod_workers.go).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.clock import format_time, parse_time
from podsysctl.base.errors import PodsysctlError, RuntimeServiceError
from podsysctl.node import actions, backoff, conditions, events, status
from podsysctl.node import pod as pods
from podsysctl.node.cleanup import Cleanup
from podsysctl.node.container_status import StartFailure
from podsysctl.node.interrupt import StepInterruptedError, run_unless
from podsysctl.node.pleg import Pleg
from podsysctl.node.probes.manager import Probes
from podsysctl.node.runtime_state import PodRuntime
from podsysctl.node.shared import Outcome, Shared
from podsysctl.node.status_writer import StatusWriter
from podsysctl.node.sync import PodSync
from podsysctl.node.volumes.errors import VolumeError
from podsysctl.node.volumes.manager import Volumes

log = logging.getLogger(__name__)

ORPHAN_GRACE_S = 1
"""Grace period of a pod that the API no longer has, or that a restarted node refuses; the shortest of any pod."""

STEPS_WITHOUT_PAUSE = 50
"""Steps that may follow each other at once; more means that something undoes what this agent does."""

DEADLINE_TEXT = "Pod was active on the node longer than the specified deadline"


@dataclass(slots=True)
class Services:
    """The node-wide services of workers."""

    shared: Shared
    volumes: Volumes
    probes: Probes
    statuses: StatusWriter
    pleg: Pleg
    cleanup: Cleanup


@dataclass(slots=True)
class _State:
    """What a worker remembers between steps."""

    published: dict[str, Any]
    failures: dict[str, StartFailure] = field(default_factory=dict)
    eviction: status.Eviction | None = None
    final: dict[str, Any] | None = None
    stopped: bool = False
    removed: bool = False
    hasty: bool = False
    tidied: bool = False
    hurried: int = 0


class PodWorker:
    """The worker of one pod (one uid). `in_runtime` says that the runtime may already have something of it."""

    def __init__(self, pod: pods.Pod, services: Services, *, in_runtime: bool) -> None:
        self.pod = pod
        self.uid = pods.uid(pod)
        self.runtime = PodRuntime(self.uid)
        self._services = services
        self._state = _State(published=dict(pods.status(pod)))
        self._ending = asyncio.Event()
        self._shortened = asyncio.Event()
        self._wake = asyncio.Event()
        self._stale = in_runtime
        self._quitting = False
        self._sync = PodSync(services.shared, self._ending)

    @property
    def is_active(self) -> bool:
        """Whether the pod counts when another one is admitted (kubelet_pods.go, filterOutInactivePods).

        One that the API no longer has does not, even while its containers stop: for the scheduler it is gone, and a
        pod refused for its sake would be replaced, and refused again, until they have stopped.
        """
        state = self._state
        return not (state.removed or state.stopped or state.final is not None or pods.is_terminal(self.pod))

    def update(self, pod: pods.Pod) -> None:
        """Take over the pod as the API has it now."""
        before, self.pod = self.pod, pod
        if pods.is_deleted(pod) and not pods.is_deleted(before):
            self._ending.set()
        elif pods.deletion_grace_s(pod) != pods.deletion_grace_s(before):
            self._shortened.set()
        if not _only_our_status_changed(before, pod):
            self.wake()

    def remove(self) -> None:
        """The API no longer has the pod: end it quickly."""
        self._state.removed = True
        self._ending.set()
        self._shortened.set()
        self.wake()

    def reject(self, final: dict[str, Any]) -> None:
        """The node does not admit the pod: its status is final, and whatever runs of it is stopped."""
        self._state.final = final
        self._services.statuses.publish(self.pod, final)
        self._ending.set()
        self.wake()

    def evict(self, reason: str, message: str, *, at_once: bool = False) -> None:
        """End the pod for good by decision of the node; it will be Failed. `at_once` leaves no grace period."""
        if self._state.eviction is None and not self._state.stopped:
            self._state.eviction = status.Eviction(reason, message)
            self._state.hasty = at_once
            self._ending.set()
            self.wake()

    def wake(self, *, stale: bool = False) -> None:
        """Ask for a step; `stale` says that the runtime may have changed."""
        self._stale = self._stale or stale
        self._wake.set()

    def quit(self) -> None:
        """Return from `run` after the present step; the pod stays as it is."""
        self._quitting = True
        self._wake.set()

    def look(self) -> tuple[pods.Pod, PodRuntime] | None:
        """The pod and its runtime state, for its probes; None once it is stopped."""
        return None if self._state.stopped else (self.pod, self.runtime)

    async def run(self) -> None:
        """Step until the pod is gone from the API and the node."""
        self._wake.set()
        delay_s: float | None = 0.0
        while delay_s is not None:
            await self._pause(delay_s)
            if self._quitting:
                return
            try:
                delay_s = await self._step()
            except StepInterruptedError:
                self._stale = True
                delay_s = 0.0
            except PodsysctlError as error:
                log.warning("pod %s: %s", pods.full_name(self.pod), error.message)
                self._stale = True
                delay_s = backoff.with_jitter(backoff.SYNC_RETRY_S)

    async def _pause(self, delay_s: float) -> None:
        """Wait for a wake-up, at most so long; 0 goes on at once, but not forever."""
        state = self._state
        state.hurried = state.hurried + 1 if delay_s <= 0 else 0
        if state.hurried > STEPS_WITHOUT_PAUSE:
            log.warning("pod %s does not come to rest", pods.full_name(self.pod))
            delay_s, state.hurried = backoff.SYNC_RETRY_S, 0
        if delay_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()
        self._wake.clear()

    async def _step(self) -> float | None:
        """One step; seconds to the next one, or None when the pod is gone."""
        if pods.is_deleted(self.pod) or pods.is_terminal(self.pod):
            self._ending.set()
        if self._stale:
            await self._read()
        if not self._ending.is_set():
            return self._until_deadline(await self._live())
        if not self._state.stopped:
            await self._terminate()
        return await self._bury()

    async def _read(self, first: Outcome | None = None) -> None:
        """Look at the runtime; when the outcome of a first pass is given, at what it made alone.

        Raises RuntimeServiceError.
        """
        self._stale = False
        reader = self._services.shared.reader
        before = {(r.id, r.state) for r in self.runtime.containers}
        if first is None:
            self.runtime = await reader.read(self.uid)
        else:
            name, namespace = pods.name(self.pod), pods.namespace(self.pod)
            self.runtime = await reader.read_first(
                self.uid, name, namespace, first.sandbox_id, first.started.values()
            )
        self._services.pleg.note(self.runtime)
        for record in self.runtime.containers:
            if (record.id, record.state) not in before:
                self._services.probes.nudge(self.uid, record.name)

    # --- a living pod

    async def _live(self) -> float:
        services = self._services
        self._check_deadline()
        if self._publish()["phase"] in pods.TERMINAL_PHASES:
            self._ending.set()
        if self._ending.is_set():
            return 0.0
        services.shared.references.register(self.pod)
        try:
            volumes = await services.volumes.ensure(self.pod, self.runtime.ips)
        except VolumeError as error:
            services.shared.events.pod(self.pod, events.WARNING, events.FAILED_MOUNT, error.message)
            return backoff.with_jitter(backoff.SYNC_RETRY_S)
        services.probes.register(self.pod, self.look)
        await self._verify()
        half_made = await self._sync.is_half_made(self.pod, self.runtime)
        plan = actions.compute(self.pod, self.runtime, services.probes, half_made=half_made)
        if plan.idle:
            await services.cleanup.prune(self.runtime)
            return backoff.with_jitter(backoff.RESYNC_S)
        return await self._after(await self._sync.carry_out(self.pod, self.runtime, plan, volumes))

    async def _verify(self) -> None:
        """Read sysctls back in a sandbox that an earlier process made."""
        if await self._sync.verify_existing(self.pod, self.runtime):
            self._publish()

    async def _after(self, outcome: Outcome) -> float:
        """Look at the result at once, so that the API hears of it without delay."""
        state = self._state
        for name in outcome.started:
            state.failures.pop(name, None)
        state.failures |= outcome.failures
        if outcome.started:
            self._services.pleg.expect_soon()
        # Of a pod that had nothing, what was made is all there is, unless something failed half-way.
        had_nothing = not self.runtime.sandboxes and not self.runtime.containers
        await self._read(outcome if had_nothing and outcome.sandbox_id and not outcome.error else None)
        if not self._ending.is_set():
            self._publish()
        if not outcome.error:
            return 0.0
        if outcome.retry_s is not None:
            return backoff.with_jitter(min(outcome.retry_s, backoff.RESYNC_S))
        return backoff.with_jitter(backoff.SYNC_RETRY_S)

    def _until_deadline(self, delay_s: float) -> float:
        """The delay, or what is left of the time that the pod may be active, whatever it waits for."""
        left_s = self._deadline_left_s()
        return delay_s if left_s is None else min(delay_s, max(0.1, left_s))

    def _deadline_left_s(self) -> float | None:
        allowed = pods.spec(self.pod).get("activeDeadlineSeconds")
        begun = self._state.published.get("startTime")
        if allowed is None or not begun:
            return None
        active_s = (self._services.shared.clock.now() - parse_time(begun)).total_seconds()
        return float(allowed) - active_s

    def _check_deadline(self) -> None:
        left_s = self._deadline_left_s()
        if left_s is not None and left_s <= 0 and self._state.eviction is None:
            reason = events.DEADLINE_EXCEEDED
            self._services.shared.events.pod(self.pod, events.NORMAL, reason, DEADLINE_TEXT)
            self.evict(reason, DEADLINE_TEXT)

    def _publish(self) -> dict[str, Any]:
        """Compute the status and have it written. A terminal phase waits until nothing runs any more."""
        state, services = self._state, self._services
        if state.final is not None:
            return state.final
        shared = services.shared
        computed = status.compute(
            status.Inputs(
                pod=self.pod,
                runtime=self.runtime,
                previous=state.published,
                readiness=services.probes,
                runtime_name=shared.runtime_name,
                host_ips=shared.node_facts().ips,
                now=format_time(shared.clock.now()),
                failures=state.failures,
                verified=self._sync.verified,
                eviction=state.eviction,
                stopped=state.stopped,
                recursive_read_only=shared.recursive_read_only(self.pod),
            )
        )
        shown = computed
        if computed["phase"] in pods.TERMINAL_PHASES and not state.stopped and not pods.is_terminal(self.pod):
            shown = status.not_yet_terminal(computed, state.published)
        state.published = shown
        if not state.removed:
            services.statuses.publish(self.pod, shown)
        return computed

    # --- a pod that ends

    async def _terminate(self) -> None:
        """Stop everything that runs. Raises RuntimeServiceError, StepInterruptedError."""
        services, state = self._services, self._state
        services.probes.stop_all_but_readiness(self.uid)
        if self.runtime.running():
            self._publish()
        self._shortened.clear()
        await run_unless(self._shortened, services.shared.stopper.everything(self.pod, self.runtime, self._grace_s()))
        ips = self.runtime.ips
        await self._read()
        still = [record.id for record in self.runtime.running()]
        if still:
            raise RuntimeServiceError("Internal", f"containers still run after they were stopped: {still}")
        services.probes.forget(self.uid)
        state.stopped = True
        if ips and not state.published.get("podIPs"):
            state.published["podIPs"] = [{"ip": ip} for ip in ips]

    def _grace_s(self) -> int | None:
        """The grace period for all containers, or None for each container's own."""
        if self._state.removed or self._state.hasty or self._state.final is not None:
            return ORPHAN_GRACE_S
        grace_s = pods.deletion_grace_s(self.pod)
        return None if grace_s is None else max(ORPHAN_GRACE_S, grace_s)

    async def _bury(self) -> float | None:
        """Report the end; when the pod is deleted, remove every trace and then the API object."""
        state, services = self._state, self._services
        if not state.removed and not pods.is_terminal(self.pod):
            self._publish()
        if state.removed or pods.is_deleted(self.pod):
            await services.statuses.flush(self.uid)
            await services.cleanup.remove_pod(self.runtime)
            if not state.removed:
                await services.cleanup.delete_object(self.pod)
            return None
        if not state.tidied:
            await services.volumes.remove(self.uid)
            state.tidied = True
        return backoff.RESYNC_S


def _only_our_status_changed(before: pods.Pod, after: pods.Pod) -> bool:
    """Whether an update holds nothing but what this agent wrote itself."""

    def relevant(pod: pods.Pod) -> tuple[Any, ...]:
        metadata = {k: v for k, v in pod["metadata"].items() if k not in ("resourceVersion", "managedFields")}
        foreign = [c for c in pods.status(pod).get("conditions") or () if c["type"] not in conditions.OWNED]
        return metadata, pods.spec(pod), foreign, pods.status(pod).get("phase") in pods.TERMINAL_PHASES

    return relevant(before) == relevant(after)
