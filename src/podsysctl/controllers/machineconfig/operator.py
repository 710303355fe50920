"""Runs the four controllers of machine configuration in one task group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable

from podsysctl.base.clock import Clock, SystemClock
from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, StatusError
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.controllers.machineconfig.defaults import ensure_defaults
from podsysctl.controllers.machineconfig.drain_controller import DrainController
from podsysctl.controllers.machineconfig.kubelet_config_controller import KubeletConfigController
from podsysctl.controllers.machineconfig.pool_controller import PoolController
from podsysctl.controllers.machineconfig.render_controller import RenderController

log = logging.getLogger(__name__)

DRAIN_WORKERS = 16
"""Nodes drained at once; a percentage of a large pool may allow many."""


class MachineConfigOperator:
    """Everything between a KubeletConfig and the nodes' annotations; needs the three CRDs to be served.

    `informers` may be shared with others in the process, who then run them.
    """

    def __init__(self, client: Client, clock: Clock | None = None, informers: InformerSet | None = None) -> None:
        self._client = client
        clock = clock or SystemClock()
        self._own_informers = informers is None
        self._informers = informers or InformerSet(client)
        self._events = EventRecorder(client, "machineconfigcontroller", time=clock)
        self._kubelet_configs = KubeletConfigController(client, self._informers, clock)
        self._render = RenderController(client, self._informers, self._events, clock)
        self._pools = PoolController(client, self._informers, self._events, clock)
        self._drain = DrainController(client, self._informers, self._events, clock)

    async def run(self) -> None:
        """Make the default pools, then work until cancelled."""
        await ensure_defaults(self._client)
        async with asyncio.TaskGroup() as group:
            if self._own_informers:
                group.create_task(self._informers.run())
            group.create_task(self._events.run())
            await self._informers.wait_synced()
            for controller, workers in (
                (self._kubelet_configs, 1),
                (self._render, 1),
                (self._pools, 2),
                (self._drain, DRAIN_WORKERS),
            ):
                group.create_task(controller.queue.run(controller.reconcile, workers=workers, retry=_retry))


def _retry(key: Hashable, error: PodsysctlError) -> bool:
    """Conflicts and lost connections heal with another try; so may any refusal, later and later."""
    if not isinstance(error, StatusError | ConnectionFailedError):
        return False
    if not (isinstance(error, StatusError) and error.code == 409):
        log.warning("machine configuration of %s: %s", key, error.message)
    return True
