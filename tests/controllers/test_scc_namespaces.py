"""Namespaces' ranges for SecurityContextConstraints, against a real API server."""

from __future__ import annotations

from typing import Any

from podsysctl.controllers.scc_namespaces import NamespaceRangeController
from podsysctl.controllers.scope import NAMESPACES
from podsysctl.policy.scc.constraint import MCS, SUPPLEMENTAL_GROUPS, UID_RANGE
from tests.controllers.cluster import Cluster, running


async def ranges(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """The three annotations once they are there."""
    found = await cluster.get(NAMESPACES, name, None)
    annotations = ((found or {}).get("metadata") or {}).get("annotations") or {}
    chosen = {key: annotations[key] for key in (UID_RANGE, SUPPLEMENTAL_GROUPS, MCS) if key in annotations}
    return chosen if len(chosen) == 3 else None


async def test_namespaces_that_were_there_before_get_ranges() -> None:
    """Those that the server itself makes at its first start, each its own."""
    async with running(NamespaceRangeController, scheduler=False, kubelet=False) as cluster:
        found = [await cluster.until(lambda n=n: ranges(cluster, n)) for n in ("default", "kube-system")]
        assert len({one[UID_RANGE] for one in found}) == 2


async def test_removed_range_is_given_again() -> None:
    """Also when all three annotations are gone; no other namespace's block is taken."""
    async with running(NamespaceRangeController, scheduler=False, kubelet=False) as cluster:
        for name in ("a", "b"):
            await cluster.client.create(
                NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            )
        kept = await cluster.until(lambda: ranges(cluster, "b"))
        gone = {"metadata": {"annotations": dict.fromkeys((UID_RANGE, SUPPLEMENTAL_GROUPS, MCS))}}
        await cluster.client.patch(NAMESPACES, "a", gone)
        back = await cluster.until(lambda: ranges(cluster, "a"))
        assert back[UID_RANGE] == back[SUPPLEMENTAL_GROUPS] != kept[UID_RANGE]


async def test_range_of_an_administrator_is_kept() -> None:
    """What is there is not touched."""
    async with running(NamespaceRangeController, scheduler=False, kubelet=False) as cluster:
        metadata = {"name": "own", "annotations": {UID_RANGE: "5000/10", MCS: "s0:c1,c2"}}
        await cluster.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        await cluster.client.create(
            NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}}
        )
        await cluster.until(lambda: ranges(cluster, "later"))
        found = await cluster.get(NAMESPACES, "own", None)
        assert found is not None
        assert found["metadata"]["annotations"][UID_RANGE] == "5000/10"
