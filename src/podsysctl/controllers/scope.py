"""What every controller is given: the API, shared informers, the clock and event recorders."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Any, Protocol

from podsysctl.base import clock
from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, StatusError
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import Informer, InformerSet
from podsysctl.client.rest import Client, Resource
from podsysctl.client.workqueue import WorkQueue
from podsysctl.objects.kinds import Kind, builtin_by_resource

log = logging.getLogger(__name__)

Object = dict[str, Any]

PODS = builtin_by_resource("", "v1", "pods")
NODES = builtin_by_resource("", "v1", "nodes")
NAMESPACES = builtin_by_resource("", "v1", "namespaces")
LEASES = builtin_by_resource("coordination.k8s.io", "v1", "leases")
REPLICA_SETS = builtin_by_resource("apps", "v1", "replicasets")
DEPLOYMENTS = builtin_by_resource("apps", "v1", "deployments")
DAEMON_SETS = builtin_by_resource("apps", "v1", "daemonsets")
STATEFUL_SETS = builtin_by_resource("apps", "v1", "statefulsets")
CONTROLLER_REVISIONS = builtin_by_resource("apps", "v1", "controllerrevisions")
JOBS = builtin_by_resource("batch", "v1", "jobs")
DISRUPTION_BUDGETS = builtin_by_resource("policy", "v1", "poddisruptionbudgets")

RETRY_FIRST_S = 0.005
RETRY_LONGEST_S = 60.0
"""Delays of a key that fails; upstream goes to 1000 s, which nobody at a terminal waits for."""


class Controller(Protocol):
    """One loop of the manager."""

    async def run(self) -> None:
        """Work until cancelled; informers run elsewhere."""
        ...


class Scope:
    """Shared by the controllers of one process."""

    def __init__(self, client: Client, informers: InformerSet, time: clock.Clock | None = None) -> None:
        self.client = client
        self.informers = informers
        self.clock = time or clock.SystemClock()
        self.recorders: dict[str, EventRecorder] = {}
        self._shared: dict[tuple[str, str], Informer] = {}

    def informer(self, kind: Kind) -> Informer:
        """The informer of all objects of a kind, shared."""
        informer = self._shared[kind.group, kind.plural] = self.informers.informer(kind)
        return informer

    def shared(self, kind: Resource) -> Informer | None:
        """The shared informer of a kind, if anything in the process has asked for it."""
        return self._shared.get((kind.group, kind.plural))

    def recorder(self, component: str) -> EventRecorder:
        """The event recorder of a component."""
        found = self.recorders.get(component)
        if found is None:
            found = self.recorders[component] = EventRecorder(self.client, component, time=self.clock)
        return found

    def now(self) -> str:
        """The time of day in the API's form."""
        return clock.format_time(self.clock.now())


class Reconciler:
    """A controller that works on keys `namespace/name`; subclasses say what a key means.

    `workers` keys are worked on at once, each by one at a time. What fails is tried again, later and later.
    """

    name = "controller"
    workers = 5

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.client = scope.client
        self.queue: WorkQueue[str] = WorkQueue(
            name=self.name, base_s=RETRY_FIRST_S, max_s=RETRY_LONGEST_S, time=scope.clock
        )
        self._needed: list[Informer] = []

    def need(self, kind: Kind) -> Informer:
        """An informer that must be complete before work begins."""
        informer = self.scope.informer(kind)
        self._needed.append(informer)
        return informer

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in self._needed:
            await informer.wait_synced()
        await self.queue.run(self.reconcile, workers=self.workers, retry=self.retry)

    async def reconcile(self, key: str) -> None:
        """Bring one object closer to what it asks for."""
        raise NotImplementedError

    def retry(self, key: Hashable, error: PodsysctlError) -> bool:
        """Say what failed, once it is more than a race, and try again."""
        conflict = isinstance(error, StatusError) and error.code in (404, 409)
        if not conflict and not isinstance(error, ConnectionFailedError):
            log.warning("%s %s: %s", self.name, key, error.message)
        return True


def split_key(key: str) -> tuple[str, str]:
    """Namespace and name of a key; the namespace of cluster-scoped objects is empty."""
    namespace, slash, name = key.rpartition("/")
    return (namespace, name) if slash else ("", key)


def key_of(obj: Object) -> str:
    """`namespace/name`, or the name alone."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def labels_of(obj: Object) -> dict[str, str]:
    """The labels of an object."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    """The annotations of an object."""
    return obj["metadata"].get("annotations") or {}


def is_deleting(obj: Object) -> bool:
    """Whether the object is on its way out."""
    return bool(obj["metadata"].get("deletionTimestamp"))
