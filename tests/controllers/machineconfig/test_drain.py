"""Emptying a node: what one write says, and when a node counts as empty."""

from __future__ import annotations

from typing import Any

import pytest

from podsysctl.controllers.machineconfig import drain
from podsysctl.controllers.scope import NODES, PODS
from podsysctl.objects import taints
from tests.controllers.cluster import running

Object = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"
OTHER = {"key": "other", "effect": "NoSchedule"}
CORDONED = {"key": taints.UNSCHEDULABLE, "effect": taints.NO_SCHEDULE, "timeAdded": NOW}


def pod(name: str) -> Object:
    """A Pod on node n1."""
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def test_cordon_and_its_taint_come_and_go_in_one_write() -> None:
    """Nobody sees the field without the taint that the node controller makes of it; other taints stay."""
    async with running(scheduler=False, kubelet=False) as cluster:
        await cluster.add_node("n1")
        node = await cluster.client.patch(NODES, "n1", {"spec": {"taints": [OTHER]}})
        assert await drain.cordon(cluster.client, node, NOW)
        cordoned = await cluster.client.get(NODES, "n1")
        assert cordoned["spec"] == {"unschedulable": True, "taints": [OTHER, CORDONED]}
        assert not await drain.cordon(cluster.client, cordoned, NOW)
        given_back = await cluster.client.patch(NODES, "n1", drain.uncordoning(cordoned))
        assert given_back["spec"] == {"taints": [OTHER]}


def test_uncordoning_without_the_taint_races_with_nobody() -> None:
    """A node that the node controller has not tainted yet needs no resourceVersion: no list is replaced."""
    node: Object = {"metadata": {"resourceVersion": "7"}, "spec": {"unschedulable": True, "taints": [OTHER]}}
    assert drain.uncordoning(node) == {"spec": {"unschedulable": None}}


async def test_node_counts_as_empty_only_by_what_is_newer_than_the_cordon() -> None:
    """Without an eviction of ours that has ended, an empty memory is not believed and the API is asked."""
    async with running(scheduler=False, kubelet=False) as cluster:
        await cluster.add_node("n1")
        here = await cluster.client.create(PODS, pod("here"))
        evicted: set[str] = set()
        with pytest.raises(drain.DrainPendingError, match="waiting for default/here to end"):
            await drain.drain(cluster.client, "n1", [], evicted)
        assert evicted == {here["metadata"]["uid"]}
        ended = {**here, "status": {"phase": "Succeeded"}}
        with pytest.raises(drain.DrainPendingError):  # it may have ended before the cordon: the API is asked again
            await drain.drain(cluster.client, "n1", [ended], evicted)
        await drain.drain(cluster.client, "n1", [], evicted)
