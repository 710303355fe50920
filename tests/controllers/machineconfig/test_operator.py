"""What the operator's controllers do with objects that the API takes and nobody can understand."""

from __future__ import annotations

import asyncio
from typing import Any

from podsysctl.controllers.machineconfig.operator import MachineConfigOperator
from podsysctl.objects import machineconfig as names
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]
BROKEN = {"matchExpressions": [{"key": "a", "operator": "Bogus"}]}
WORKERS = {"matchLabels": {f"{names.POOL_LABEL_PREFIX}worker": ""}}


def kubelet_config(name: str, selector: Object, **annotations: str) -> Object:
    """A KubeletConfig that changes one field."""
    return {
        "apiVersion": names.KUBELET_CONFIG.api_version,
        "kind": "KubeletConfig",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"machineConfigPoolSelector": selector, "kubeletConfig": {"maxPods": 100}},
    }


async def message(cluster: Cluster, name: str) -> str:
    """The newest verdict in a KubeletConfig's status."""
    found = await cluster.get(names.KUBELET_CONFIG, name, None) or {}
    conditions = (found.get("status") or {}).get("conditions") or [{}]
    return str(conditions[-1].get("message", ""))


async def test_broken_selectors_and_suffixes_are_told_and_end_no_controller() -> None:
    """Each is an error in its own object's status; the pools of the others are rendered as ever."""
    async with running(scheduler=False, kubelet=False) as cluster:
        pool = {
            "apiVersion": names.POOL.api_version,
            "kind": "MachineConfigPool",
            "metadata": {"name": "broken"},
            "spec": {"nodeSelector": BROKEN, "machineConfigSelector": BROKEN},
        }
        await cluster.client.create(names.POOL, pool)
        await cluster.client.create(names.KUBELET_CONFIG, kubelet_config("odd", BROKEN))
        suffixed = kubelet_config("suffixed", WORKERS, **{names.NAME_SUFFIX: "x"})
        await cluster.client.create(names.KUBELET_CONFIG, suffixed)
        operator = asyncio.create_task(MachineConfigOperator(cluster.client).run())

        async def rendered() -> bool:
            assert not operator.done(), operator.exception()
            found = await cluster.get(names.POOL, "worker", None) or {"spec": {}}
            return bool(found["spec"].get("configuration"))

        async def told(name: str, text: str) -> bool:
            assert not operator.done(), operator.exception()
            return text in await message(cluster, name)

        try:
            await cluster.until(rendered)
            await cluster.until(lambda: told("odd", '"Bogus" is not a valid label selector operator'))
            await cluster.client.create(names.KUBELET_CONFIG, kubelet_config("second", WORKERS))
            wanted = 'error converting x to int: strconv.Atoi: parsing "x": invalid syntax'
            await cluster.until(lambda: told("second", wanted))

            async def degraded() -> bool:
                return "invalid label selector" in str(await cluster.get(names.POOL, "broken", None))

            await cluster.until(degraded)
        finally:
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)
