"""Which objects wait to be worked on: each key once, never by two workers, failures later and later.

The behaviour of client-go's util/workqueue (v1.36) for one asyncio loop.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from podsysctl.base import clock, limits, metrics
from podsysctl.base.errors import PodsysctlError

K = TypeVar("K", bound=Hashable)


class ShutDownError(PodsysctlError):
    """The queue takes and gives nothing more."""

    reason = "QueueShutDown"


class QueueFullError(PodsysctlError):
    """More keys wait than a cluster has objects."""

    reason = "QueueFull"


class _Counted:
    """The series of one queue; queues of one name share them."""

    def __init__(self, name: str) -> None:
        self.depth = metrics.QUEUE_DEPTH.labels(name=name)
        self.adds = metrics.QUEUE_ADDS.labels(name=name)
        self.retries = metrics.QUEUE_RETRIES.labels(name=name)
        self.duration = metrics.RECONCILE_DURATION.labels(controller=name)
        self.errors = metrics.RECONCILE_ERRORS.labels(controller=name)


class WorkQueue(Generic[K]):
    """Keys in order of arrival; a key that is added while it is worked on comes again after `done`.

    `base_s` and `max_s` bound the delay of `add_rate_limited`, which doubles with each failure. `name` is what
    metrics call the queue and who works on it: one of a few words of the program, never an object's name.
    """

    def __init__(
        self, *, name: str = "other", base_s: float = 0.005, max_s: float = 1000.0, time: clock.Clock | None = None
    ) -> None:
        self._counted = _Counted(name)
        self._base_s = base_s
        self._max_s = max_s
        self._clock = time or clock.SystemClock()
        self._ready: OrderedDict[K, None] = OrderedDict()
        self._again: set[K] = set()
        self._working: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due_s: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = 0.0
        self._waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._closed = False

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Ask for work on a key now. Raises QueueFullError."""
        if self._closed or key in self._ready or key in self._again:
            return
        if key in self._working:
            self._again.add(key)
            return
        if len(self._ready) >= limits.WORK_QUEUE_KEYS:
            raise QueueFullError(f"more than {limits.WORK_QUEUE_KEYS} keys wait in a work queue")
        self._ready[key] = None
        self._counted.adds.inc()
        self._counted.depth.inc()
        self._wake()

    def add_after(self, key: K, delay_s: float) -> None:
        """Ask for work on a key later; of several delays the earliest counts."""
        if self._closed:
            return
        if delay_s <= 0:
            self.add(key)
            return
        due_s = self._clock.monotonic_s() + delay_s
        if key in self._due_s and self._due_s[key] <= due_s:
            return
        self._due_s[key] = due_s
        self._sequence += 1
        heapq.heappush(self._heap, (due_s, self._sequence, key))
        self._arm()

    def add_rate_limited(self, key: K) -> None:
        """Ask again after a failure: base, twice that, ... up to the maximum."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._counted.retries.inc()
        self.add_after(key, min(self._base_s * 2 ** min(failures, 40), self._max_s))

    def failures(self, key: K) -> int:
        """How often the key failed since `forget`."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure waits the base delay again."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key; call `done` with it afterwards. Raises ShutDownError when the queue ends."""
        while not self._ready:
            if self._closed:
                raise ShutDownError("the work queue is shut down")
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters[waiter] = None
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()  # this one was chosen and then cancelled: choose another
                raise
            finally:
                self._waiters.pop(waiter, None)
        key, _ = self._ready.popitem(last=False)
        self._counted.depth.dec()
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Work on the key ended, well or badly."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def shut_down(self) -> None:
        """Give nothing more; workers end with what they have."""
        self._closed = True
        self._counted.depth.dec(len(self._ready))
        self._ready.clear()
        if self._timer is not None:
            self._timer.cancel()
        for waiter in list(self._waiters):
            if not waiter.done():
                waiter.set_result(None)

    def release_due(self) -> None:
        """Move keys whose delay is over to the ready ones; the timer calls this."""
        self._timer = None
        now_s = self._clock.monotonic_s()
        while self._heap and self._heap[0][0] <= now_s:
            due_s, _, key = heapq.heappop(self._heap)
            if self._due_s.get(key) == due_s:
                del self._due_s[key]
                self.add(key)
        self._arm()

    async def run(self, reconcile: Callable[[K], Awaitable[object]], *, workers: int, retry: RetryPolicy) -> None:
        """Work on keys until shut down, `workers` at once, each key by one at a time.

        An error that `retry` accepts puts the key back with a growing delay; any other ends the run.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(reconcile, retry))

    async def _work(self, reconcile: Callable[[K], Awaitable[object]], retry: RetryPolicy) -> None:
        while True:
            try:
                key = await self.get()
            except ShutDownError:
                return
            started_s = self._clock.monotonic_s()
            try:
                await reconcile(key)
            except PodsysctlError as error:
                self._counted.errors.inc()
                if not retry(key, error):
                    raise
                self.add_rate_limited(key)
            else:
                self.forget(key)
            finally:
                self._counted.duration.observe(self._clock.monotonic_s() - started_s)
                self.done(key)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
                return

    def _arm(self) -> None:
        """Keep one timer, for the earliest delay."""
        if not self._heap or self._closed:
            return
        due_s = self._heap[0][0]
        if self._timer is not None:
            if self._timer_due_s <= due_s:
                return
            self._timer.cancel()
        self._timer_due_s = due_s
        delay_s = max(0.0, due_s - self._clock.monotonic_s())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self.release_due)


RetryPolicy = Callable[[Hashable, PodsysctlError], bool]
"""Told of a failed key, logs it and says whether to try again."""
