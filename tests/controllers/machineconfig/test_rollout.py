"""Which nodes move now."""

from __future__ import annotations

import pytest

from podsysctl.controllers.machineconfig.rollout import candidates, max_unavailable, stale_taint_nodes
from podsysctl.objects import machineconfig as names
from tests.controllers.machineconfig.builders import NEW, Object, named, node, pool

ZONE = "topology.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("wanted", "total", "expected"),
    [
        (None, 10, 1), (0, 10, 1), (1, 10, 1), (2, 10, 2), (20, 10, 20), (-3, 10, 1),
        ("0%", 10, 1), ("9%", 10, 1), ("10%", 10, 1), ("19%", 10, 1), ("20%", 10, 2), ("29%", 10, 2), ("100%", 10, 10),
        ("33%", 3, 1), ("34%", 3, 1), ("66%", 3, 1), ("67%", 3, 2), ("10%", 0, 1),
    ],
)  # fmt: skip
def test_max_unavailable_rounds_down_and_is_at_least_one(wanted: object, total: int, expected: int) -> None:
    """A number as it is, a percentage of the pool rounded down, never less than one."""
    assert max_unavailable(pool(maxUnavailable=wanted), total) == expected


@pytest.mark.parametrize("text", ["many", "10", "%", "1.5%", "10 %", "٣%"])
def test_max_unavailable_that_is_no_percentage_stops_the_pool(text: str) -> None:
    """A text that is neither a number nor a percentage is an error, not a guess."""
    with pytest.raises(names.RolloutError):
        max_unavailable(pool(maxUnavailable=text), 10)


def workers(count: int, **fields: object) -> list[Object]:
    """So many equal nodes."""
    return [node(f"n{i}", **fields) for i in range(count)]  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_candidates_of_an_idle_pool_are_as_many_as_may_be_out(limit: int) -> None:
    """Never more than maxUnavailable, never more than there are."""
    assert named(candidates(pool(maxUnavailable=limit), workers(3))) == ["n0", "n1", "n2"][:limit]


def test_candidates_of_an_updated_pool_are_none() -> None:
    """Nothing to do."""
    assert candidates(pool(), workers(3, desired=NEW, current=NEW)) == []


def test_candidates_of_a_pool_without_rendered_configuration_are_none() -> None:
    """There is nothing to target yet."""
    assert candidates(pool(target=""), workers(3, desired="", current="", state="")) == []


def test_candidates_of_a_paused_pool_are_none() -> None:
    """Neither old nor new nodes are told anything."""
    assert candidates(pool(paused=True), [*workers(2), node("new", desired="", current="", state="")]) == []


def test_candidates_without_any_configuration_come_at_once() -> None:
    """A node that runs no configuration yet is told beyond the budget, and an old one waits for the budget."""
    fresh = [node(f"f{i}", desired="", current="", state="") for i in range(3)]
    assert named(candidates(pool(), [*fresh, node("old")])) == ["f0", "f1", "f2", "old"]


@pytest.mark.parametrize(
    "busy",
    [
        node("busy", desired=NEW, state=names.WORKING),
        node("busy", desired=NEW, state=names.DEGRADED),
        node("busy", desired=NEW, current=NEW, ready=False),
        node("busy", desired=NEW, current=NEW, cordoned=True),
        node("busy", ready=False),
        node("busy", cordoned=True),
        node("busy", desired="rendered-worker-older", state=names.WORKING),
    ],
    ids=["working", "failed", "updated-not-ready", "updated-cordoned", "old-not-ready", "old-cordoned", "mid-flight"],
)
def test_candidates_while_another_node_is_out_wait(busy: Object) -> None:
    """Each node that is out or failed uses up one of maxUnavailable, and is not targeted itself."""
    nodes = [busy, *workers(2)]
    assert candidates(pool(maxUnavailable=1), nodes) == []
    assert named(candidates(pool(maxUnavailable=2), nodes)) == ["n0"]


def test_candidates_node_degraded_at_another_configuration_is_tried_with_the_new_one() -> None:
    """Only a node that failed is retargeted in the middle of a change."""
    failed = node("n9", desired="rendered-worker-bad", state=names.DEGRADED)
    assert named(candidates(pool(), [failed])) == ["n9"]


def test_candidates_come_by_zone_then_age_then_name() -> None:
    """Nodes without a zone come last."""
    nodes = [
        node("no-zone", created="2020-01-01T00:00:00Z"),
        node("b-old", labels={ZONE: "b"}, created="2021-01-01T00:00:00Z"),
        node("a-young", labels={ZONE: "a"}, created="2023-01-01T00:00:00Z"),
        node("a-old-2", labels={ZONE: "a"}, created="2022-01-01T00:00:00Z"),
        node("a-old-1", labels={ZONE: "a"}, created="2022-01-01T00:00:00Z"),
    ]
    order = named(candidates(pool(maxUnavailable=5), nodes))
    assert order == ["a-old-1", "a-old-2", "a-young", "b-old", "no-zone"]


def test_stale_taints_are_those_of_nodes_that_are_targeted() -> None:
    """Behind without the taint: lacking; targeted and still tainted: keeping; a paused pool taints nobody."""
    taint = [dict(names.UPDATE_TAINT)]
    behind, marked = node("behind"), node("marked", taints=taint)
    targeted = node("targeted", desired=NEW, state=names.WORKING, taints=taint)
    updated = node("updated", desired=NEW, current=NEW)
    lacking, keeping = stale_taint_nodes(pool(), [behind, marked, targeted, updated])
    assert (named(lacking), named(keeping)) == (["behind"], ["targeted"])
    lacking, keeping = stale_taint_nodes(pool(paused=True), [behind, marked, targeted, updated])
    assert (named(lacking), named(keeping)) == ([], ["targeted"])
