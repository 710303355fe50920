"""Every metric of the program: its name, help, labels, and how many series it may have. One registry.

The API server shows them all on its /metrics; a node agent that runs alone shows them on its own. Only what runs in
a server process imports this module: commands and the CNI plugin start without it.

Names are upstream's where the meaning is the same (Kubernetes 1.36: apiserver/pkg/endpoints/metrics,
component-base/metrics/prometheus/workqueue), and `podsysctl_...` everywhere else. Units are in the names: seconds,
and plain counts; a value of a sysctl has the kernel's own unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from podsysctl.base import limits

M = TypeVar("M", Counter, Gauge, Histogram)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
REGISTRY = CollectorRegistry(auto_describe=True)

_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_WORK_S = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
_ROLLOUT_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


class Declared(NamedTuple):
    """What is declared of a metric: `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


DECLARED: list[Declared] = []
"""All metrics in the order of this file."""


class Family(Generic[M]):
    """One metric with labels, and at most `bound` series: what would be one more is counted and not kept."""

    def __init__(self, metric: M, labels: Sequence[str], bound: int) -> None:
        self._metric: M = metric
        self._names = tuple(labels)
        self._bound = bound
        self._series: dict[tuple[str, ...], M] = {}
        self._overflow: M | None = None

    def labels(self, **values: str) -> M:
        """The series of these label values. Raises KeyError unless exactly the declared labels are given."""
        if len(values) != len(self._names):
            raise KeyError(f"labels are {self._names}, not {tuple(values)}")
        key = tuple(values[name] for name in self._names)
        found = self._series.get(key)
        if found is None:
            if len(self._series) >= self._bound:
                return self._refuse()
            found = self._series[key] = self._metric.labels(*key) if key else self._metric
        return found

    def forget(self, **values: str) -> None:
        """Remove every series that has these values, as when a node is gone."""
        places = [(self._names.index(name), value) for name, value in values.items()]
        for key in [k for k in self._series if all(k[place] == value for place, value in places)]:
            del self._series[key]
            self._metric.remove(*key)

    def __len__(self) -> int:
        return len(self._series)

    def _refuse(self) -> M:
        """A series that is in no registry."""
        SERIES_REFUSED.labels().inc()
        if self._overflow is None:
            kind: type[M] = type(self._metric)
            self._overflow = kind("overflow", "Never shown.", registry=None)
        return self._overflow


def _counter(name: str, help: str, labels: Sequence[str] = (), bound: int = limits.METRIC_SERIES) -> Family[Counter]:
    DECLARED.append(Declared(name, "counter", help, tuple(labels)))
    return Family(Counter(name, help, labels, registry=REGISTRY), labels, bound)


def _gauge(name: str, help: str, labels: Sequence[str] = (), bound: int = limits.METRIC_SERIES) -> Family[Gauge]:
    DECLARED.append(Declared(name, "gauge", help, tuple(labels)))
    return Family(Gauge(name, help, labels, registry=REGISTRY), labels, bound)


def _histogram(
    name: str, help: str, labels: Sequence[str], buckets: Sequence[float], bound: int = limits.METRIC_SERIES
) -> Family[Histogram]:
    DECLARED.append(Declared(name, "histogram", help, tuple(labels)))
    return Family(Histogram(name, help, labels, buckets=buckets, registry=REGISTRY), labels, bound)


def text() -> bytes:
    """All metrics in the text format 0.0.4."""
    return generate_latest(REGISTRY)


# A series for the start of each counter would double the answer, and nobody reads it.
disable_created_metrics()  # type: ignore[no-untyped-call]
ProcessCollector(registry=REGISTRY)

SERIES_REFUSED = _counter(
    "podsysctl_metric_series_refused_total",
    "Values that were not kept because their metric had its greatest number of series.",
)

# --- the API server

_RESOURCE = ("verb", "group", "resource", "subresource")

REQUESTS = _counter(
    "apiserver_request_total",
    "Requests answered, by verb, resource and HTTP code; requests for what is not served name no resource.",
    (*_RESOURCE, "code"),
)
REQUEST_DURATION = _histogram(
    "apiserver_request_duration_seconds",
    "Time to answer a request, watches and streams apart.",
    _RESOURCE,
    _REQUEST_S,
)
REQUESTS_INFLIGHT = _gauge(
    "apiserver_current_inflight_requests",
    "Requests being answered now, watches and streams apart, by whether they change something.",
    ("request_kind",),
)
REQUESTS_LONG_RUNNING = _gauge("apiserver_longrunning_requests", "Watches and streams open now.", _RESOURCE)
STORAGE_OBJECTS = _gauge("apiserver_storage_objects", "Objects in the store.", ("resource",))
STORE_REVISION = _gauge("podsysctl_store_revision", "Revision of the last write that was stored.")

# --- admission of pods, by the API server and by nodes

REFUSED_PODS = _counter(
    "podsysctl_refused_pods_total",
    "Pods refused, by gate and reason: validation, scc and pod-security of the API server; kubelet, with the reason of "
    "the pod's status; runtime, a pod with sysctls whose sandbox failed; interface, one whose networks were refused.",
    ("gate", "reason"),
)
SYSCTLS_VERIFIED = _counter(
    "podsysctl_sysctl_verifications_total",
    "Read-backs of a pod's sysctls inside its namespaces, by result: as-declared, different, unreadable.",
    ("result",),
)
SCHEDULE_ATTEMPTS = _counter(
    "scheduler_schedule_attempts_total",
    "Attempts to find a node for a pod, by result: scheduled, unschedulable, error.",
    ("result",),
)

# --- controllers and their work queues

RECONCILE_DURATION = _histogram(
    "podsysctl_reconcile_duration_seconds", "Time to work on one key of a controller.", ("controller",), _WORK_S
)
RECONCILE_ERRORS = _counter(
    "podsysctl_reconcile_errors_total", "Keys that a controller failed on and tries again.", ("controller",)
)
QUEUE_DEPTH = _gauge("workqueue_depth", "Keys that wait to be worked on now.", ("name",))
QUEUE_ADDS = _counter("workqueue_adds_total", "Keys that were asked to be worked on.", ("name",))
QUEUE_RETRIES = _counter("workqueue_retries_total", "Keys that were put back after a failure.", ("name",))

# --- rollouts of machine configuration

ROLLOUT_NODES = _gauge(
    "podsysctl_rollout_nodes",
    "Nodes of a pool, by state: all, updated, ready, unavailable, degraded. A node may be in several.",
    ("pool", "state"),
)
ROLLOUT_PROGRESS = _gauge(
    "podsysctl_rollout_progress_ratio", "Share of a pool's nodes that run its newest configuration, 0 to 1.", ("pool",)
)
ROLLOUTS = _counter("podsysctl_rollout_completed_total", "Configurations that reached all nodes of a pool.", ("pool",))
ROLLOUT_DURATION = _histogram(
    "podsysctl_rollout_duration_seconds",
    "Time from a pool's new configuration to all of its nodes running it.",
    ("pool",),
    _ROLLOUT_S,
)

# --- node-level sysctls

NODE_SYSCTL_DECLARED = _gauge(
    "podsysctl_node_sysctl_declared",
    "Value that a profile gives a node-level sysctl, in the kernel's own unit; numbers only.",
    ("node", "name"),
)
NODE_SYSCTL_LIVE = _gauge(
    "podsysctl_node_sysctl_live",
    "Value that the kernel has of a node-level sysctl which a profile sets, in the kernel's own unit; numbers only.",
    ("node", "name"),
)
NODE_SYSCTL_DRIFT = _counter(
    "podsysctl_node_sysctl_drift_total",
    "Node-level sysctls that were seen changed behind the profile's back.",
    ("node", "name"),
)
NODE_SYSCTL_CORRECTED = _counter(
    "podsysctl_node_sysctl_corrected_total", "Drifted values that were set back.", ("node", "name")
)
PROFILE_APPLIED = _gauge(
    "podsysctl_profile_applied", "1 while the node's profile is applied, 0 while it is not.", ("node", "profile")
)
PROFILE_DEGRADED = _gauge(
    "podsysctl_profile_degraded",
    "1 while the node's profile is degraded, by the condition's reason.",
    ("node", "reason"),
)
PROFILE_APPLY_DURATION = _histogram(
    "podsysctl_profile_apply_duration_seconds", "Time to check, write and read back one profile.", ("node",), _WORK_S
)
