"""What the server counts about itself, in the text form that Prometheus reads.

Names follow Kubernetes 1.36 `apiserver/pkg/endpoints/metrics` where the meaning is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from podsysctl.apiserver.requestinfo import RequestInfo
from podsysctl.apiserver.store import Store
from podsysctl.base.clock import Clock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"})

_Key = tuple[str, str, str, str]
"""verb, group, resource, subresource; of no resource, all but the verb are empty."""


@dataclass(slots=True)
class Outcome:
    """The code of one answer, set once it is known."""

    code: int = 0


class _Histogram:
    """Counts by upper bound, sum and number."""

    def __init__(self) -> None:
        self.counts = [0] * len(_BUCKETS_S)
        self.total_s = 0.0
        self.number = 0

    def add(self, seconds: float) -> None:
        self.total_s += seconds
        self.number += 1
        for index, bound in enumerate(_BUCKETS_S):
            if seconds <= bound:
                self.counts[index] += 1
                return


class Metrics:
    """Counters of one server. Others may `register` further text, such as their own registry's."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._requests: dict[tuple[_Key, int], int] = {}
        self._durations: dict[_Key, _Histogram] = {}
        self._running: dict[_Key, int] = {}
        self._sources: list[Callable[[], bytes]] = []

    def register(self, source: Callable[[], bytes]) -> None:
        """Append what `source` returns, whole lines in the text format, to every answer."""
        self._sources.append(source)

    @contextmanager
    def request(self, info: RequestInfo) -> Iterator[Outcome]:
        """Count one request from here to the end of the block."""
        verb = info.verb if info.verb in _VERBS else "other"
        key = (verb, info.group, info.resource, info.subresource) if info.is_resource else (verb, "", "", "")
        outcome = Outcome()
        started_s = self._clock.monotonic_s()
        self._running[key] = self._running.get(key, 0) + 1
        try:
            yield outcome
        finally:
            self._running[key] -= 1
            # A path that does not exist may name anything: it must not grow the table.
            if outcome.code != 404 or key in self._durations:
                self._requests[key, outcome.code] = self._requests.get((key, outcome.code), 0) + 1
                if not info.long_running:
                    self._durations.setdefault(key, _Histogram()).add(self._clock.monotonic_s() - started_s)
            if not self._running[key]:
                del self._running[key]

    def text(self) -> bytes:
        """All metrics as text."""
        lines = ["# TYPE apiserver_request_total counter"]
        for (key, code), count in sorted(self._requests.items()):
            lines.append(f'apiserver_request_total{{{_labels(key)},code="{code}"}} {count}')
        lines.append("# TYPE apiserver_current_requests gauge")
        lines += [f"apiserver_current_requests{{{_labels(key)}}} {n}" for key, n in sorted(self._running.items())]
        lines.append("# TYPE apiserver_request_duration_seconds histogram")
        for key, histogram in sorted(self._durations.items()):
            lines += _histogram_lines(key, histogram)
        lines.append("# TYPE apiserver_storage_objects gauge")
        for resource, count in sorted(self._store.counts().items()):
            lines.append(f'apiserver_storage_objects{{resource="{resource}"}} {count}')
        lines.append("# TYPE podsysctl_store_revision gauge")
        lines.append(f"podsysctl_store_revision {self._store.revision}")
        own = ("\n".join(lines) + "\n").encode()
        return b"".join([own, *(source() for source in self._sources)])


def _labels(key: _Key) -> str:
    names = ("verb", "group", "resource", "subresource")
    return ",".join(f'{name}="{value}"' for name, value in zip(names, key, strict=True))


def _histogram_lines(key: _Key, histogram: _Histogram) -> list[str]:
    name, labels = "apiserver_request_duration_seconds", _labels(key)
    out, below = [], 0
    for bound, count in zip(_BUCKETS_S, histogram.counts, strict=True):
        below += count
        out.append(f'{name}_bucket{{{labels},le="{bound}"}} {below}')
    out.append(f'{name}_bucket{{{labels},le="+Inf"}} {histogram.number}')
    out.append(f"{name}_sum{{{labels}}} {histogram.total_s:.6f}")
    out.append(f"{name}_count{{{labels}}} {histogram.number}")
    return out
