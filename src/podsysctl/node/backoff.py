"""Exponential back-off per key, as the kubelet applies it to crashing containers and failing image pulls."""

from __future__ import annotations

import random
from dataclasses import dataclass

from podsysctl.base.clock import Clock

INITIAL_S = 10.0
"""First delay, for containers and image pulls alike (kubelet.go: MaxImageBackOff, imageBackOffPeriod)."""

MAXIMUM_S = 300.0
"""Longest delay."""

SYNC_RETRY_S = 10.0
"""Delay after a failed sync, such as a sandbox that could not be made; not growing (backOffPeriod)."""

RESYNC_S = 60.0
"""Interval of syncs of a pod to which nothing happens (syncFrequency)."""

JITTER = 0.5
"""Delays are stretched by up to this part, so that pods that failed together do not retry together."""


def with_jitter(delay_s: float) -> float:
    """The delay stretched by a random part of at most JITTER."""
    return delay_s * (1.0 + random.random() * JITTER)


@dataclass(slots=True)
class _Entry:
    delay_s: float
    updated_s: float


class Backoff:
    """Delays per key that double up to a maximum and are forgotten after twice the maximum without failure."""

    def __init__(self, clock: Clock, initial_s: float = INITIAL_S, maximum_s: float = MAXIMUM_S) -> None:
        self._clock = clock
        self._initial_s = min(initial_s, maximum_s)  # as kubelet.go, newCrashLoopBackOff
        self._maximum_s = maximum_s
        self._entries: dict[str, _Entry] = {}

    def delay_s(self, key: str) -> float:
        """The present delay of a key, 0 when it has none."""
        entry = self._entries.get(key)
        return entry.delay_s if entry else 0.0

    def remaining_s(self, key: str, event_s: float) -> float:
        """Seconds still to wait, counted from `event_s` (monotonic): 0 means go ahead.

        An entry whose last use lies more than twice the maximum before the event no longer counts.
        """
        entry = self._entries.get(key)
        if entry is None or event_s - entry.updated_s > 2 * self._maximum_s:
            return 0.0
        return max(0.0, event_s + entry.delay_s - self._clock.monotonic_s())

    def remaining_since_update_s(self, key: str) -> float:
        """Seconds still to wait, counted from the last `advance`: 0 means go ahead."""
        entry = self._entries.get(key)
        now_s = self._clock.monotonic_s()
        if entry is None or now_s - entry.updated_s > 2 * self._maximum_s:
            return 0.0
        return max(0.0, entry.updated_s + entry.delay_s - now_s)

    def advance(self, key: str, event_s: float) -> None:
        """Record one more failure at `event_s` (monotonic): the first gives the initial delay, then it doubles."""
        now_s = self._clock.monotonic_s()
        entry = self._entries.get(key)
        if entry is None or event_s - entry.updated_s > 2 * self._maximum_s:
            self._entries[key] = _Entry(self._initial_s, now_s)
            return
        entry.delay_s = min(entry.delay_s * 2, self._maximum_s)
        entry.updated_s = now_s

    def forget(self, key: str) -> None:
        """Drop a key whose subject is gone."""
        self._entries.pop(key, None)

    def forget_old(self) -> None:
        """Drop every key not used for twice the maximum."""
        oldest_s = self._clock.monotonic_s() - 2 * self._maximum_s
        self._entries = {k: e for k, e in self._entries.items() if e.updated_s >= oldest_s}


def format_delay(delay_s: float) -> str:
    """A delay as Go prints a Duration of whole seconds.

    >>> format_delay(10), format_delay(80), format_delay(300)
    ('10s', '1m20s', '5m0s')
    """
    minutes, seconds = divmod(round(delay_s), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
