"""Notices what happens to containers without our doing: from the runtime's events, or by listing it.

The kubelet's pod lifecycle event generator. A runtime that streams events (containerd 1.7 and newer, CRI-O) wakes
pods at once and is listed rarely; any other is listed every second, and more often while something is about to end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from podsysctl.base.clock import Clock
from podsysctl.base.errors import RuntimeServiceError
from podsysctl.node import labels
from podsysctl.node.runtime_state import CREATED, EXITED, RUNNING, UNKNOWN, PodRuntime
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService

log = logging.getLogger(__name__)

RELIST_S = 1.0
"""Interval of listing without events, the kubelet's."""

RELIST_WITH_EVENTS_S = 30.0
"""Interval of listing beside events, in case one was lost."""

SOONEST_S = 0.1
"""First interval after a start; it doubles up to RELIST_S."""

LISTING_SHARE = 0.1
"""Share of the time that lists may take while something is expected, as far as RELIST_S allows: many starts at once
make lists slow, and lists make starts slow."""

HEALTHY_S = 180.0
"""Age of the last good list past which the node is not ready (pleg/generic.go, relistThreshold)."""

_STATES = {
    CREATED: cri.CONTAINER_CREATED,
    RUNNING: cri.CONTAINER_RUNNING,
    EXITED: cri.CONTAINER_EXITED,
    UNKNOWN: cri.CONTAINER_UNKNOWN,
}

_Snapshot = dict[str, frozenset[tuple[str, int]]]


class Pleg:
    """Calls `changed` with the uid of each pod whose containers or sandboxes changed in the runtime."""

    def __init__(
        self, runtime: RuntimeService, node_name: str, clock: Clock, changed: Callable[[str], None]
    ) -> None:
        self._runtime = runtime
        self._selector = {labels.NODE: node_name}
        self._clock = clock
        self._changed = changed
        self._known: _Snapshot = {}
        self._noted: set[str] = set()
        self._interval_s = RELIST_S
        self._longest_s = RELIST_S
        self._hurry = asyncio.Event()
        self._listed_s = clock.monotonic_s()

    def expect_soon(self) -> None:
        """Something was started that may end at once: look more often for a while."""
        if self._longest_s == RELIST_S:
            self._interval_s = SOONEST_S
            self._hurry.set()

    def note(self, runtime: PodRuntime) -> None:
        """A worker has just read this of its pod: the next list need not tell it again."""
        states: set[tuple[str, int]] = {(c.id, _STATES[c.state]) for c in runtime.containers}
        states |= {(s.id, cri.SANDBOX_READY if s.ready else cri.SANDBOX_NOTREADY) for s in runtime.sandboxes}
        self._noted.add(runtime.uid)
        if states:
            self._known[runtime.uid] = frozenset(states)
        else:
            self._known.pop(runtime.uid, None)

    def has(self, uid: str) -> bool:
        """Whether the runtime had anything of a pod when it was last listed."""
        return uid in self._known

    def problem(self) -> str:
        """Why the node is not ready as far as the runtime goes; '' when all is well."""
        age_s = self._clock.monotonic_s() - self._listed_s
        if age_s < HEALTHY_S:
            return ""
        return f"PLEG is not healthy: pleg was last seen active {age_s:.0f}s ago; threshold is 3m0s"

    async def run(self) -> None:
        """List until cancelled."""
        while True:
            began_s = self._clock.monotonic_s()
            try:
                await self.relist()
            except RuntimeServiceError as error:
                log.warning("the runtime cannot be listed: %s", error.message)
            await self._wait(shortest_pause_s(self._clock.monotonic_s() - began_s))

    async def _wait(self, shortest_s: float) -> None:
        interval_s = max(self._interval_s, shortest_s)
        self._interval_s = min(self._interval_s * 2, self._longest_s)
        self._hurry.clear()
        try:
            async with asyncio.timeout(interval_s):
                await self._hurry.wait()
        except TimeoutError:
            return
        await asyncio.sleep(shortest_s)

    async def relist(self) -> None:
        """Compare the runtime with what was last seen. Raises RuntimeServiceError."""
        self._noted.clear()
        sandboxes, containers = await asyncio.gather(
            self._runtime.list_pod_sandbox(cri.PodSandboxFilter(label_selector=self._selector)),
            self._runtime.list_containers(cri.ContainerFilter(label_selector=self._selector)),
        )
        found: dict[str, set[tuple[str, int]]] = {}
        for sandbox in sandboxes:
            found.setdefault(sandbox.labels[labels.POD_UID], set()).add((sandbox.id, sandbox.state))
        for entry in containers:
            found.setdefault(entry.labels[labels.POD_UID], set()).add((entry.id, entry.state))
        now = {uid: frozenset(states) for uid, states in found.items()}
        before = self._known
        # What a worker read while the lists were under way is newer than the lists.
        self._known = {uid: states for uid, states in now.items() if uid not in self._noted}
        self._known |= {uid: before[uid] for uid in self._noted if uid in before}
        self._listed_s = self._clock.monotonic_s()
        for uid in (now.keys() | before.keys()) - self._noted:
            if now.get(uid) != before.get(uid):
                self._changed(uid)

    async def follow_events(self) -> None:
        """Wake pods by the runtime's own events; returns when it has none to offer."""
        while True:
            try:
                async for event in self._runtime.container_events():
                    self._longest_s = RELIST_WITH_EVENTS_S
                    uid = event.pod_sandbox_status.metadata.uid
                    if uid and event.pod_sandbox_status.labels.get(labels.NODE) == self._selector[labels.NODE]:
                        self._changed(uid)
            except RuntimeServiceError as error:
                self._longest_s = self._interval_s = RELIST_S
                self._hurry.set()  # what happens until there are events again is seen in lists alone
                if error.code == "Unimplemented":
                    return
                log.info("the runtime's events ended: %s", error.message)
            await asyncio.sleep(RELIST_S)


def shortest_pause_s(took_s: float) -> float:
    """The pause after a list that took so long, when there is something to expect.

    >>> shortest_pause_s(0.003), shortest_pause_s(0.05), shortest_pause_s(8.0)
    (0.1, 0.5, 1.0)
    """
    return min(RELIST_S, max(SOONEST_S, took_s / LISTING_SHARE))
