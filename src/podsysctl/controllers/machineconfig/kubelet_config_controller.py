"""Keeps one MachineConfig per KubeletConfig and pool, and says in the KubeletConfig's status what became of it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from podsysctl.base.clock import Clock, format_time
from podsysctl.base.errors import StatusError
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import WorkQueue
from podsysctl.controllers.machineconfig import kubelet_config, render
from podsysctl.objects import machineconfig as names
from podsysctl.policy.kubelet_config_fields import KubeletConfigError

Object = dict[str, Any]


class KubeletConfigController:
    """`queue` holds names of KubeletConfigs."""

    def __init__(self, client: Client, informers: InformerSet, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self.queue: WorkQueue[str] = WorkQueue(name="kubelet-config", max_s=30.0)
        self._configs = informers.informer(names.KUBELET_CONFIG)
        self._pools = informers.informer(names.POOL)
        self._machine_configs = informers.informer(names.MACHINE_CONFIG)
        self._configs.add_handler(on_add=self._enqueue, on_update=lambda _, new: self._enqueue(new))
        self._pools.add_handler(on_add=self._enqueue_all, on_update=self._pool_changed, on_delete=self._enqueue_all)
        self._machine_configs.add_handler(on_delete=self._enqueue_all)

    def _enqueue(self, obj: Object) -> None:
        self.queue.add(obj["metadata"]["name"])

    def _enqueue_all(self, _: Object) -> None:
        for name in self._configs.store:
            self.queue.add(name)

    def _pool_changed(self, old: Object, new: Object) -> None:
        if old["metadata"].get("labels") != new["metadata"].get("labels"):
            self._enqueue_all(new)

    async def reconcile(self, name: str) -> None:
        """Bring the MachineConfigs, finalizers and status of one KubeletConfig up to date."""
        config = self._configs.get(name)
        if config is None:
            return
        if config["metadata"].get("deletionTimestamp"):
            await self._delete_one(config)
            return
        error = ""
        try:
            pools = kubelet_config.selected_pools(config, self._pools.store.values())
            kubelet_config.check(config, pools)
            config = await self._ensure(config, pools)
        except KubeletConfigError as refusal:
            error = refusal.message
        await self._write_status(config, error)

    async def _ensure(self, config: Object, pools: list[Object]) -> Object:
        """One MachineConfig for each pool; answers with the KubeletConfig as it is then stored."""
        suffix = kubelet_config.name_suffix(config, self._others(config, pools))
        wanted = [
            kubelet_config.machine_config(config, pool["metadata"]["name"], suffix, render.BASE_KUBELET)
            for pool in pools
        ]
        config = await self._mark(config, suffix, [mc["metadata"]["name"] for mc in wanted])
        for machine_config in wanted:
            await self._put(machine_config)
        return config

    def _others(self, config: Object, pools: list[Object]) -> list[Object]:
        """The other KubeletConfigs that select one of the same pools."""
        ours = {pool["metadata"]["name"] for pool in pools}
        return [
            other
            for other in self._configs.store.values()
            if other["metadata"]["uid"] != config["metadata"]["uid"]
            and ours & {p["metadata"]["name"] for p in kubelet_config.selected_pools(other, pools)}
        ]

    async def _mark(self, config: Object, suffix: str, machine_configs: list[str]) -> Object:
        """Remember the suffix, and a finalizer for each MachineConfig, before any of them exists."""
        marked = deepcopy(config)
        metadata = marked["metadata"]
        metadata.setdefault("annotations", {})[names.NAME_SUFFIX] = suffix
        finalizers = metadata.setdefault("finalizers", [])
        finalizers += [name for name in machine_configs if name not in finalizers]
        return marked if marked == config else await self._client.update(names.KUBELET_CONFIG, marked)

    async def _put(self, wanted: Object) -> None:
        existing = self._machine_configs.get(wanted["metadata"]["name"])
        if existing is None:
            try:
                await self._client.create(names.MACHINE_CONFIG, wanted)
                return
            except StatusError as error:
                if error.status_reason != "AlreadyExists":
                    raise
                existing = await self._client.get(names.MACHINE_CONFIG, wanted["metadata"]["name"])
        if existing["spec"] == wanted["spec"]:
            return
        changed = deepcopy(existing)
        changed["spec"] = wanted["spec"]
        changed["metadata"].setdefault("annotations", {}).update(wanted["metadata"]["annotations"])
        await self._client.update(names.MACHINE_CONFIG, changed)

    async def _delete_one(self, config: Object) -> None:
        """Delete one MachineConfig and then its finalizer; the update brings the next round."""
        finalizers = list(config["metadata"].get("finalizers") or ())
        if not finalizers:
            return
        try:
            await self._client.delete(names.MACHINE_CONFIG, finalizers[0])
        except StatusError as error:
            if error.code != 404:
                raise
        released = deepcopy(config)
        released["metadata"]["finalizers"] = finalizers[1:]
        await self._client.update(names.KUBELET_CONFIG, released)

    async def _write_status(self, config: Object, error: str) -> None:
        now = format_time(self._clock.now())
        status = kubelet_config.status_after(config, error, now)
        if _without_times(status) == _without_times(config.get("status") or {}):
            return
        await self._client.update(names.KUBELET_CONFIG, {**config, "status": status}, "status")


def _without_times(status: Object) -> Object:
    conditions = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in status.get("conditions") or ()]
    return {**status, "conditions": conditions}
