"""Renders each pool's MachineConfigs into one and points the pool at it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from podsysctl.base.clock import Clock, format_time
from podsysctl.base.errors import StatusError
from podsysctl.base.versions import KUBERNETES_VERSION, PROGRAM_VERSION
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import WorkQueue
from podsysctl.controllers.machineconfig import kubelet_config, pool_status, render
from podsysctl.objects import machineconfig as names

Object = dict[str, Any]


class RenderController:
    """`queue` holds names of pools."""

    def __init__(self, client: Client, informers: InformerSet, events: EventRecorder, clock: Clock) -> None:
        self._client = client
        self._events = events
        self._clock = clock
        self.queue: WorkQueue[str] = WorkQueue(name="machine-config-render", max_s=30.0)
        self._pools = informers.informer(names.POOL)
        self._machine_configs = informers.informer(names.MACHINE_CONFIG)
        self._kubelet_configs = informers.informer(names.KUBELET_CONFIG)
        self._pools.add_handler(on_add=self._enqueue, on_update=self._pool_updated)
        for informer in (self._machine_configs, self._kubelet_configs):
            informer.add_handler(self._enqueue_all, lambda _, new: self._enqueue_all(new), self._enqueue_all)

    def _enqueue(self, obj: Object) -> None:
        self.queue.add(obj["metadata"]["name"])

    def _pool_updated(self, old: Object, new: Object) -> None:
        """Render anew what may come out differently; a rollout changes a pool's counts at every step."""
        if _decisive(old) != _decisive(new):
            self._enqueue(new)

    def _enqueue_all(self, obj: Object) -> None:
        if not obj["metadata"]["name"].startswith("rendered-"):
            for name in self._pools.store:
                self.queue.add(name)

    async def reconcile(self, name: str) -> None:
        """Render one pool. A KubeletConfig of it that was refused or is not synced yet holds it back."""
        pool = self._pools.get(name)
        if pool is None or self._is_held_back(pool):
            return
        try:
            sources = render.selected(pool, self._machine_configs.store.values())
            rendered = render.render(pool, sources)
        except names.RenderError as error:
            await self._report(pool, "True", error.message)
            return
        if self._machine_configs.get(rendered["metadata"]["name"]) is None:
            await self._create(pool, rendered)
        reference = render.configuration_reference(rendered, sources)
        if pool["spec"].get("configuration") != reference:
            changed = deepcopy(pool)
            changed["spec"]["configuration"] = reference
            pool = await self._client.update(names.POOL, changed)
        if pool_status.is_condition_true(pool, "RenderDegraded"):
            await self._report(pool, "False", "")

    def _is_held_back(self, pool: Object) -> bool:
        return any(
            kubelet_config.selected_pools(config, [pool]) and not kubelet_config.is_accepted(config)
            for config in self._kubelet_configs.store.values()
            if not config["metadata"].get("deletionTimestamp")
        )

    async def _create(self, pool: Object, rendered: Object) -> None:
        try:
            await self._client.create(names.MACHINE_CONFIG, rendered)
        except StatusError as error:
            if error.status_reason != "AlreadyExists":
                raise
            return
        text = (
            f"{rendered['metadata']['name']} successfully generated "
            f"(release version: {KUBERNETES_VERSION}, controller version: {PROGRAM_VERSION})"
        )
        self._events.event(pool, "Normal", "RenderedConfigGenerated", text)

    async def _report(self, pool: Object, status: str, message: str) -> None:
        """Set RenderDegraded; the pool controller derives Degraded from it."""
        changed = deepcopy(pool)
        conditions = changed.setdefault("status", {}).setdefault("conditions", [])
        now = format_time(self._clock.now())
        pool_status.set_condition(conditions, "RenderDegraded", status, "", message, now)
        if changed != pool:
            await self._client.update(names.POOL, changed, "status")


def _decisive(pool: Object) -> tuple[Any, ...]:
    """What of a pool rendering reads."""
    return pool["spec"], pool["metadata"].get("labels"), pool_status.is_condition_true(pool, "RenderDegraded")
