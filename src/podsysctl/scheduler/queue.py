"""Pods that wait for a node: the next by priority and age, those that failed after a growing delay.

Source: Kubernetes 1.36 `pkg/scheduler/backend/queue`: back-off doubles from 1 s to 10 s with each attempt; a
pod that fits nowhere is tried again when nodes or pods change, or after five minutes.
"""

from __future__ import annotations

import asyncio
import heapq

from podsysctl.base.clock import Clock, SystemClock
from podsysctl.policy.scheduling.podinfo import PodInfo

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 10.0
UNSCHEDULABLE_S = 300.0
"""Longest wait of a pod that fits nowhere while nothing changes."""


class _Entry:
    __slots__ = ("added_s", "attempts", "failed_s", "is_out", "pod", "seen")

    def __init__(self, pod: PodInfo, added_s: float) -> None:
        self.pod = pod
        self.added_s = added_s
        self.attempts = 0
        self.failed_s = 0.0
        self.seen = (0, 0)
        """How many changes of each kind had been told when the last attempt began."""
        self.is_out = False
        """It was handed out, and the attempt has not failed: the pod is being decided on or bound."""


class SchedulingQueue:
    """One entry for each waiting pod, by key; none is handed out twice at a time."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._entries: dict[str, _Entry] = {}
        self._active: list[tuple[int, float, int, str]] = []
        self._in_active: set[str] = set()
        self._failed: dict[str, None] = {}
        """Keys whose last attempt failed and that are not active: the few of which a change is told."""
        self._delayed: list[tuple[float, int, str]] = []
        self._due_s: dict[str, float] = {}
        self._sequence = 0
        self._changes = 0
        self._moves = 0
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def add(self, pod: PodInfo) -> None:
        """A pod came; it is tried at once."""
        entry = self._entries.get(pod.key)
        if entry is None or entry.pod.uid != pod.uid:
            self._entries[pod.key] = _Entry(pod, self._clock.monotonic_s())
            self._activate(pod.key)

    def update(self, pod: PodInfo) -> None:
        """A waiting pod changed: tried again when what decides about it is different, once a running attempt failed."""
        entry = self._entries.get(pod.key)
        if entry is None or entry.pod.uid != pod.uid:
            self.add(pod)
            return
        changed = pod.spec != entry.pod.spec or _labels(pod) != _labels(entry.pod)
        entry.pod = pod
        if changed and entry.is_out:
            entry.seen = (-1, -1)
        elif changed:
            self._retry_later(pod.key, entry)

    def remove(self, key: str) -> None:
        """A pod went, or has a node."""
        self._entries.pop(key, None)
        self._due_s.pop(key, None)
        self._in_active.discard(key)
        self._failed.pop(key, None)

    def something_changed(self) -> None:
        """Nodes or pods changed so that pods which fitted nowhere may fit now."""
        self._changes += 1
        for key in tuple(self._failed):
            self._retry_later(key, self._entries[key])

    def pods_changed(self) -> None:
        """A pod came to a node, or others' terms may speak of it now: that helps those alone that mind others."""
        self._moves += 1
        for key in tuple(self._failed):
            entry = self._entries[key]
            if entry.pod.minds_others:
                self._retry_later(key, entry)

    def failed(self, pod: PodInfo) -> None:
        """An attempt found no node; a change since it began means another try after the back-off."""
        entry = self._entries.get(pod.key)
        if entry is None or entry.pod.uid != pod.uid:
            return
        entry.failed_s, entry.is_out = self._clock.monotonic_s(), False
        self._failed[pod.key] = None
        changes, moves = entry.seen
        if changes != self._changes or (moves != self._moves and pod.minds_others):
            self._retry_later(pod.key, entry)
        else:
            self._delay(pod.key, entry.failed_s + UNSCHEDULABLE_S)

    def retry(self, pod: PodInfo) -> None:
        """An attempt failed for a reason other than the cluster's state: again after the back-off."""
        entry = self._entries.get(pod.key)
        if entry is not None:
            entry.failed_s, entry.is_out = self._clock.monotonic_s(), False
            self._failed[pod.key] = None
            self._retry_later(pod.key, entry)

    async def pop(self) -> PodInfo:
        """The next pod; waits for one."""
        while True:
            self._release()
            while self._active:
                key = heapq.heappop(self._active)[3]
                entry = self._entries.get(key)
                if entry is None or key not in self._in_active:
                    continue
                self._in_active.discard(key)
                entry.attempts += 1
                entry.seen, entry.is_out = (self._changes, self._moves), True
                return entry.pod
            self._arrived.clear()
            try:
                async with asyncio.timeout(self._until_due_s()):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def _activate(self, key: str) -> None:
        entry = self._entries[key]
        self._failed.pop(key, None)
        self._due_s.pop(key, None)
        if key not in self._in_active:
            self._in_active.add(key)
            self._sequence += 1
            order = (-entry.pod.priority, entry.added_s, self._sequence, key)
            heapq.heappush(self._active, order)
        self._arrived.set()

    def _retry_later(self, key: str, entry: _Entry) -> None:
        """After the back-off of its attempts, counted from the last failure."""
        if key in self._in_active:
            return
        delay_s = min(FIRST_BACKOFF_S * 2 ** max(0, min(entry.attempts, 10) - 1), LONGEST_BACKOFF_S)
        due_s = entry.failed_s + delay_s
        if not entry.failed_s or due_s <= self._clock.monotonic_s():
            self._activate(key)
        else:
            self._delay(key, due_s)

    def _delay(self, key: str, due_s: float) -> None:
        self._due_s[key] = due_s
        self._sequence += 1
        heapq.heappush(self._delayed, (due_s, self._sequence, key))
        self._arrived.set()

    def _release(self) -> None:
        now_s = self._clock.monotonic_s()
        while self._delayed and self._delayed[0][0] <= now_s:
            due_s, _, key = heapq.heappop(self._delayed)
            if self._due_s.get(key) == due_s and key in self._entries:
                self._activate(key)

    def _until_due_s(self) -> float | None:
        while self._delayed and self._due_s.get(self._delayed[0][2]) != self._delayed[0][0]:
            heapq.heappop(self._delayed)
        if not self._delayed:
            return None
        return max(0.0, self._delayed[0][0] - self._clock.monotonic_s())


def _labels(pod: PodInfo) -> object:
    return pod.pod["metadata"].get("labels")
