"""When the status of a pool is written."""

from __future__ import annotations

import asyncio

import pytest

from podsysctl.base import metrics
from podsysctl.base.clock import FakeClock
from podsysctl.controllers.machineconfig import pool_controller
from podsysctl.controllers.machineconfig.operator import MachineConfigOperator
from podsysctl.controllers.scope import NODES
from podsysctl.objects import machineconfig as names
from tests.controllers.cluster import Cluster, running

ROLE = f"{names.NODE_ROLE_PREFIX}worker"
COUNT = 3


async def told(cluster: Cluster, field: str) -> int:
    """A count of the worker pool's status."""
    pool = await cluster.get(names.POOL, "worker", None) or {}
    return int((pool.get("status") or {}).get(field, 0))


async def finish(cluster: Cluster, name: str) -> None:
    """Play a node that runs what it was told to run."""
    desired = names.annotation(await cluster.client.get(NODES, name), names.DESIRED_CONFIG)
    annotations = {names.CURRENT_CONFIG: desired, names.STATE: names.DONE}
    await cluster.client.patch(NODES, name, {"metadata": {"annotations": annotations}})


async def test_counts_of_a_large_pool_wait_and_conditions_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """One node more is told after the pause alone; that all are updated is told at once, and so is a metric."""
    monkeypatch.setattr(pool_controller, "SMALL_POOL_NODES", 0)
    clock = FakeClock()
    async with running(scheduler=False, kubelet=False) as cluster:
        for index in range(COUNT):
            await cluster.add_node(f"n{index}", **{ROLE: ""})
        operator = asyncio.create_task(MachineConfigOperator(cluster.client, clock=clock).run())
        try:

            async def targeted() -> bool:
                nodes = (await cluster.client.list(NODES)).items
                return all(names.annotation(node, names.DESIRED_CONFIG) for node in nodes)

            async def told_is(updated: int) -> bool:
                return await told(cluster, "updatedMachineCount") == updated

            async def counted() -> bool:
                labels = {"pool": "worker", "state": "updated"}
                return metrics.REGISTRY.get_sample_value("podsysctl_rollout_nodes", labels) == 1

            await cluster.until(targeted)
            await finish(cluster, "n0")
            await cluster.until(counted)
            assert await told(cluster, "machineCount") == COUNT
            assert await told_is(0)
            clock.advance(pool_controller.COUNTS_LONGEST_S)
            await cluster.until(lambda: told_is(1))
            for index in range(1, COUNT):
                await finish(cluster, f"n{index}")
            await cluster.until(lambda: told_is(COUNT))
        finally:
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)
