"""Runs every controller over one connection and one set of informers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from podsysctl.base import clock
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.controllers.cni_allowlist import CniAllowlistController
from podsysctl.controllers.daemonset import DaemonSetController
from podsysctl.controllers.deployment.controller import DeploymentController
from podsysctl.controllers.disruption import DisruptionController
from podsysctl.controllers.garbage.controller import GarbageCollector
from podsysctl.controllers.job.controller import JobController
from podsysctl.controllers.namespaces import NamespaceController
from podsysctl.controllers.node_lifecycle import NodeLifecycleController
from podsysctl.controllers.pod_gc import PodGarbageCollector
from podsysctl.controllers.replicaset import ReplicaSetController
from podsysctl.controllers.scc_namespaces import NamespaceRangeController
from podsysctl.controllers.scope import Controller, Scope
from podsysctl.controllers.statefulset.controller import StatefulSetController
from podsysctl.controllers.taint_eviction import TaintEvictionController
from podsysctl.controllers.tuning.controller import NodeTuningController

CONTROLLERS: tuple[Callable[[Scope], Controller], ...] = (
    NamespaceController,
    NodeLifecycleController,
    TaintEvictionController,
    PodGarbageCollector,
    ReplicaSetController,
    DeploymentController,
    DaemonSetController,
    StatefulSetController,
    JobController,
    DisruptionController,
    CniAllowlistController,
    NamespaceRangeController,
    NodeTuningController,
    GarbageCollector,
)
"""All controllers; each works alone as well. The garbage collector is last, since it uses others' informers."""


def with_openshift_profiles() -> tuple[Callable[[Scope], Controller], ...]:
    """All controllers, where the default Tuned recommends OpenShift's profiles instead of none."""
    tuning = partial(NodeTuningController, openshift_profiles=True)
    return tuple(tuning if make is NodeTuningController else make for make in CONTROLLERS)


class Manager:
    """The controllers of one process; `informers` may be shared with others."""

    def __init__(
        self,
        client: Client,
        *,
        informers: InformerSet | None = None,
        time: clock.Clock | None = None,
        controllers: Sequence[Callable[[Scope], Controller]] = CONTROLLERS,
    ) -> None:
        self._own_informers = informers is None
        self._informers = informers or InformerSet(client)
        self.scope = Scope(client, self._informers, time)
        self._controllers = [make(self.scope) for make in controllers]

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._own_informers:
                group.create_task(self._informers.run())
            for recorder in self.scope.recorders.values():
                group.create_task(recorder.run())
            for controller in self._controllers:
                group.create_task(controller.run())

    async def flush(self) -> None:
        """Wait until recorded events are written."""
        for recorder in self.scope.recorders.values():
            await recorder.flush()
