"""All probes of the node's pods: one task per probe, results by container, a call when a result changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from podsysctl.base.clock import Clock
from podsysctl.node import events
from podsysctl.node import pod as pods
from podsysctl.node.events import PodEvents
from podsysctl.node.probes import handlers
from podsysctl.node.probes.machine import FIELDS, LIVENESS, READINESS, STARTUP, Machine, Situation
from podsysctl.node.runtime_state import RUNNING, PodRuntime
from podsysctl.node.tasks import Tasks
from podsysctl.runtime.service import RuntimeService

ADOPTED_S = 10
"""Seconds before the agent's start at which a container must have run to count as adopted (prober_manager.go)."""

RETRIES = 3
"""Tries of a probe that cannot be asked, before the event says so."""

Look = Callable[[], tuple[pods.Pod, PodRuntime] | None]
"""Gives the pod and its runtime state as they are now; None when the pod is gone."""

Key = tuple[str, str, str]
"""Pod uid, container name, kind of probe."""


class Probes:
    """Results and tasks. `changed` is called with the pod's uid when a result changed."""

    def __init__(
        self,
        runtime: RuntimeService,
        events_: PodEvents,
        tasks: Tasks,
        clock: Clock,
        changed: Callable[[str], None],
    ) -> None:
        self._runtime = runtime
        self._events = events_
        self._tasks = tasks
        self._clock = clock
        self._changed = changed
        self._machines: dict[Key, Machine] = {}
        self._stops: dict[Key, Callable[[], None]] = {}
        self._results: dict[str, dict[str, Machine]] = {}
        self._nudges: dict[Key, asyncio.Event] = {}
        self._begun_s = clock.now().timestamp()

    def register(self, pod: pods.Pod, look: Look) -> None:
        """Start the probes of a pod that are not running yet."""
        sidecars = [c for c in pods.init_containers(pod) if pods.is_restartable_init(c)]
        for container in (*sidecars, *pods.containers(pod)):
            for kind, field in FIELDS.items():
                key = (pods.uid(pod), container["name"], kind)
                if not container.get(field) or key in self._machines:
                    continue
                machine = self._machines[key] = Machine(kind, container[field])
                self._nudges[key] = asyncio.Event()
                name = f"{kind} probe of {pods.full_name(pod)} {container['name']}"
                self._stops[key] = self._tasks.spawn(name, self._loop(key, machine, look), partial(self._failed, key))

    def _failed(self, key: Key, _: BaseException) -> None:
        """A defect ended one probe: the pod's next step begins it anew, and what it found last holds until then."""
        self._machines.pop(key, None)
        self._stop(key)

    def nudge(self, uid: str, name: str) -> None:
        """A container started or ended: look at it at once instead of at the next period."""
        for kind in FIELDS:
            nudge = self._nudges.get((uid, name, kind))
            if nudge is not None:
                nudge.set()

    def stop_all_but_readiness(self, uid: str) -> None:
        """The pod is ending: no more restarts because of probes."""
        for key in [k for k in self._machines if k[0] == uid and k[2] != READINESS]:
            self._machines[key].settle(True)
            self._stop(key)

    def forget(self, uid: str) -> None:
        """Stop everything of a pod that is gone."""
        for key in [k for k in self._machines if k[0] == uid]:
            self._stop(key)
            machine = self._machines.pop(key)
            self._results.pop(machine.container_id, None)

    def _stop(self, key: Key) -> None:
        stop = self._stops.pop(key, None)
        self._nudges.pop(key, None)
        if stop is not None:
            stop()

    def _result(self, kind: str, container_id: str) -> bool | None:
        machine = self._results.get(container_id, {}).get(kind)
        return None if machine is None else machine.result

    def liveness(self, container_id: str) -> bool | None:
        """The settled liveness result of a container, None when it has no such probe or no answer yet."""
        return self._result(LIVENESS, container_id)

    def startup(self, container_id: str) -> bool | None:
        """The settled startup result of a container."""
        return self._result(STARTUP, container_id)

    def is_started(self, container: pods.Container, container_id: str, before: bool) -> bool:
        """Whether the container counts as started; `before` holds until there is an answer."""
        if not container.get("startupProbe"):
            return True
        known = self.startup(container_id)
        return before if known is None else known

    def is_ready(self, container: pods.Container, container_id: str, before: bool) -> bool:
        """Whether the container counts as ready; `before` holds until there is an answer."""
        if not container.get("readinessProbe"):
            return True
        known = self._result(READINESS, container_id)
        return before if known is None else known

    async def _loop(self, key: Key, machine: Machine, look: Look) -> None:
        nudge = self._nudges[key]
        while True:
            seen = look()
            if seen is None:
                return
            wait_s = await self._once(key, machine, *seen)
            try:
                async with asyncio.timeout(wait_s):
                    await nudge.wait()
            except TimeoutError:
                continue
            nudge.clear()

    async def _once(self, key: Key, machine: Machine, pod: pods.Pod, runtime: PodRuntime) -> float:
        """Probe if it is time; seconds until the next look."""
        uid, name, _ = key
        record = runtime.latest(name)
        container = pods.find_container(pod, name)
        if record is None or container is None:
            return machine.period_s
        previous = machine.container_id
        ran_s = self._clock.now().timestamp() - record.started_ns / 1e9
        shown = _shown(pod, record.id)
        started = self.is_started(container, record.id, bool(shown.get("started")))
        adopted: bool | None = None
        if record.started_ns / 1e9 < self._begun_s - ADOPTED_S:
            adopted = bool(shown.get("started" if machine.kind == STARTUP else "ready"))
        situation = Situation(record.id, record.state == RUNNING, ran_s, started, adopted)
        ask = machine.should_ask(situation)
        if previous != machine.container_id:
            self._results.pop(previous, None)
        self._results.setdefault(record.id, {})[machine.kind] = machine
        if not ask:
            return machine.wait_s(situation)
        pod_ip = runtime.ips[0] if runtime.ips else str(pods.status(pod).get("podIP") or "")
        outcome = await self._ask(pod, machine, handlers.Target(container, record.id, pod_ip))
        if outcome is not None and machine.container_id == record.id and machine.answer(outcome):
            self._changed(uid)
            if machine.kind == STARTUP:
                self.nudge(uid, name)
        return machine.period_s

    async def _ask(self, pod: pods.Pod, machine: Machine, target: handlers.Target) -> bool | None:
        """True or False for an answer, None when the probe could not be asked."""
        name = target.container["name"]
        for attempt in range(RETRIES):
            try:
                outcome = await handlers.run(self._runtime, machine.probe, target)
                break
            except handlers.ProbeError as error:
                if attempt == RETRIES - 1:
                    text = f"{machine.kind} probe errored and resulted in unknown state: {error}"
                    self._events.container(pod, name, events.WARNING, events.UNHEALTHY, text)
                    return None
        if outcome.result == handlers.FAILURE:
            text = f"{machine.kind} probe failed: {outcome.output}"
            self._events.container(pod, name, events.WARNING, events.UNHEALTHY, text)
            return False
        if outcome.result == handlers.WARNING:
            text = f"{machine.kind} probe warning: {outcome.output}"
            self._events.container(pod, name, events.WARNING, events.PROBE_WARNING, text)
        return True


def _shown(pod: pods.Pod, container_id: str) -> dict[str, Any]:
    """What the API says of a container, by its runtime id."""
    status = pods.status(pod)
    for entry in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        if container_id and str(entry.get("containerID", "")).endswith(container_id):
            return dict(entry)
    return {}
