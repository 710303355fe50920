"""What the server counts about itself: requests by resource and code, and the pods that its gates refused.

The metrics are declared in `base/metrics.py`; here is which request counts as what. Labels follow Kubernetes 1.36
`apiserver/pkg/endpoints/metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram

from podsysctl.apiserver.admission.request import CREATE, AdmissionRequest
from podsysctl.apiserver.registry import Registry
from podsysctl.apiserver.requestinfo import RequestInfo
from podsysctl.apiserver.store import Store
from podsysctl.base import metrics
from podsysctl.base.clock import Clock
from podsysctl.policy.verdict import Gate

CONTENT_TYPE = metrics.CONTENT_TYPE

_VERBS = {
    **{verb: verb.upper() for verb in ("get", "list", "watch", "patch", "delete", "deletecollection")},
    "create": "POST",
    "update": "PUT",
    "post": "POST",
    "put": "PUT",
}
_SUBRESOURCES = frozenset(
    {"status", "scale", "binding", "eviction", "ephemeralcontainers", "resize", "token", "finalize", "approval"}
    | {"log", "exec", "attach", "portforward", "proxy"}
)
"""Those that are served somewhere; what else a path may say must not make a series."""
_READING = frozenset({"GET", "LIST", "WATCH"})


@dataclass(slots=True)
class Outcome:
    """The code of one answer, set once it is known."""

    code: int = 0


class _Series:
    """Where requests of one verb and resource are counted."""

    def __init__(self, labels: dict[str, str], running: Gauge, duration: Histogram | None) -> None:
        self.running = running
        self.duration = duration
        self._labels = labels
        self._codes: dict[int, Counter] = {}

    def answered(self, code: int) -> Counter:
        """The counter of answers with a code."""
        found = self._codes.get(code)
        if found is None:
            found = self._codes[code] = metrics.REQUESTS.labels(**self._labels, code=str(code))
        return found


class Metrics:
    """What is counted of one server."""

    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._series: dict[tuple[str, ...], _Series] = {}

    @contextmanager
    def request(self, info: RequestInfo) -> Iterator[Outcome]:
        """Count one request from here to the end of the block."""
        key = (info.verb, info.group, info.version, info.resource, info.subresource)
        series = self._series.get(key)
        if series is None:
            series = self._open(key, info)
        outcome = Outcome()
        started_s = self._clock.monotonic_s()
        series.running.inc()
        try:
            yield outcome
        finally:
            series.running.dec()
            series.answered(outcome.code).inc()
            if series.duration is not None:
                series.duration.observe(self._clock.monotonic_s() - started_s)

    def _open(self, key: tuple[str, ...], info: RequestInfo) -> _Series:
        """The series of requests like this one, remembered for what is served: other names may be anything."""
        labels = self._labels(info)
        if info.long_running:
            series = _Series(labels, metrics.REQUESTS_LONG_RUNNING.labels(**labels), None)
        else:
            kind = "readOnly" if labels["verb"] in _READING else "mutating"
            running = metrics.REQUESTS_INFLIGHT.labels(request_kind=kind)
            series = _Series(labels, running, metrics.REQUEST_DURATION.labels(**labels))
        if labels["resource"] and labels["subresource"] == info.subresource:
            self._series[key] = series
        return series

    def _labels(self, info: RequestInfo) -> dict[str, str]:
        """The labels of a request. A resource that is not served may be called anything, and is called nothing."""
        verb = _VERBS.get(info.verb, "OTHER")
        if self._registry.find(info.group, info.version, info.resource) is None:
            return {"verb": verb, "group": "", "resource": "", "subresource": ""}
        subresource = info.subresource if info.subresource in _SUBRESOURCES else ""
        return {"verb": verb, "group": info.group, "resource": info.resource, "subresource": subresource}

    def text(self) -> bytes:
        """All metrics of the process, with this server's store, as text."""
        metrics.STORAGE_OBJECTS.forget()
        for resource, count in self._store.counts().items():
            metrics.STORAGE_OBJECTS.labels(resource=resource).set(count)
        metrics.STORE_REVISION.labels().set(self._store.revision)
        return metrics.text()


def refused(request: AdmissionRequest, gate: Gate, reason: str) -> None:
    """Count a new pod that a gate of the server refused; anything else is not counted."""
    kind = request.kind
    if (kind.group, kind.plural) == ("", "pods") and request.operation == CREATE and not request.subresource:
        metrics.REFUSED_PODS.labels(gate=str(gate), reason=reason).inc()
