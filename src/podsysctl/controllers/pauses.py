"""When a status waits to be written: in a cluster of many pods, counts that change and change back at once are noise.

A pod that is evicted and made again changes the counts of its owner three times within a moment, and each time those
of the owner's owner. With ten thousand pods that move, these writes are a third of all work. Conditions and
generations are never held back, and neither is anything in a small cluster.
"""

from __future__ import annotations

from podsysctl.base.clock import Clock
from podsysctl.controllers.scope import Object

SMALL_CLUSTER = 500
"""Pods below which nothing waits."""
PODS_PER_SECOND = 10_000
LONGEST_S = 1.0
"""A status waits a second per ten thousand pods of the cluster, at most this long."""

COUNTS = frozenset(
    {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas"}
)


class Pauses:
    """Which objects have a status that waits, and until when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s: dict[str, float] = {}

    def left_s(self, key: str, old: Object, new: Object, pods: int) -> float:
        """Seconds that a new status is still to wait; 0 when it is to be written now, or is what is written."""
        if new == old or pods < SMALL_CLUSTER or _without_counts(new) != _without_counts(old):
            self.forget(key)
            return 0.0
        now_s = self._clock.monotonic_s()
        left_s = self._due_s.setdefault(key, now_s + min(pods / PODS_PER_SECOND, LONGEST_S)) - now_s
        if left_s <= 0:
            self.forget(key)
        return max(0.0, left_s)

    def forget(self, key: str) -> None:
        """Nothing of this object waits any more."""
        self._due_s.pop(key, None)


def _without_counts(status: Object) -> Object:
    return {key: value for key, value in status.items() if key not in COUNTS}
