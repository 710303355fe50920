"""Counts and conditions of a pool."""

from __future__ import annotations

import pytest

from podsysctl.controllers.machineconfig.pool_status import pool_status, set_condition
from podsysctl.objects import machineconfig as names
from tests.controllers.machineconfig.builders import NEW, NOW, OLD, Object, node, pool

LATER = "2026-01-02T03:09:09Z"


def conditions(status: Object) -> dict[str, str]:
    """Condition types with their status."""
    return {c["type"]: c["status"] for c in status["conditions"]}


def counts(status: Object) -> tuple[int, ...]:
    """Total, updated, ready, unavailable, degraded."""
    fields = ("machineCount", "updatedMachineCount", "readyMachineCount", "unavailableMachineCount",
              "degradedMachineCount")  # fmt: skip
    return tuple(status[field] for field in fields)


def updated(name: str, **fields: object) -> Object:
    """A node that runs the new configuration."""
    return node(name, desired=NEW, current=NEW, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("last", "expected", "is_updated"),
    [
        (updated("c"), (3, 3, 3, 0, 0), True),
        (node("c"), (3, 2, 2, 0, 0), False),
        (node("c", desired=NEW, state=names.WORKING), (3, 2, 2, 1, 0), False),
        (node("c", desired=NEW, current=NEW, state=names.WORKING), (3, 2, 2, 1, 0), False),
        (updated("c", cordoned=True), (3, 3, 2, 1, 0), False),
        (updated("c", ready=False), (3, 3, 2, 1, 0), False),
        (node("c", desired=NEW, state=names.DEGRADED, reason="no"), (3, 2, 2, 0, 1), False),
        (node("c", desired="", current="", state=""), (3, 2, 2, 1, 0), False),
    ],
    ids=["updated", "waiting", "working", "not-done", "cordoned", "not-ready", "degraded", "new"],
)
def test_pool_status_counts_and_flips_with_its_last_node(
    last: Object, expected: tuple[int, ...], is_updated: bool
) -> None:
    """Updated only when every node runs the configuration, is ready and schedulable; Updating is its opposite."""
    status = pool_status(pool(), [updated("a"), updated("b"), last], NOW)
    assert counts(status) == expected
    assert conditions(status)["Updated"] == str(is_updated)
    assert conditions(status)["Updating"] == str(not is_updated)
    assert conditions(status)["Degraded"] == conditions(status)["NodeDegraded"] == str(expected[4] == 1)


def test_pool_status_of_an_empty_pool_is_updated() -> None:
    """All of no nodes are updated."""
    status = pool_status(pool(), [], NOW)
    assert counts(status) == (0, 0, 0, 0, 0)
    assert (conditions(status)["Updated"], status["configuration"]) == ("True", {"name": NEW})


def test_pool_status_configuration_stays_old_until_the_last_node() -> None:
    """The CONFIG column shows the former name while one node runs it."""
    before = {**pool(), "status": {"configuration": {"name": OLD}}}
    assert pool_status(before, [updated("a"), node("b")], NOW)["configuration"] == {"name": OLD}
    assert pool_status(before, [updated("a"), updated("b")], NOW)["configuration"] == {"name": NEW}


def test_pool_status_of_a_paused_pool_with_a_change_is_neither() -> None:
    """Updated and Updating are both False, and Updating says why."""
    status = pool_status(pool(paused=True), [node("a")], NOW)
    assert (conditions(status)["Updated"], conditions(status)["Updating"]) == ("False", "False")
    text = next(c["message"] for c in status["conditions"] if c["type"] == "Updating")
    assert text == f"Pool is paused; will not update to MachineConfig {NEW}"
    assert conditions(pool_status(pool(paused=True), [updated("a")], NOW))["Updated"] == "True"


def test_pool_status_of_degraded_nodes_names_each_with_its_reason() -> None:
    """Upstream's texts in NodeDegraded, copied to Degraded."""
    nodes = [node(n, desired=NEW, state=names.DEGRADED, reason=f"why {n}") for n in ("a", "b")]
    status = pool_status(pool(), nodes, NOW)
    for type in ("NodeDegraded", "Degraded"):
        found = next(c for c in status["conditions"] if c["type"] == type)
        assert found["reason"] == "2 nodes are reporting degraded status on sync"
        assert found["message"] == 'Node a is reporting: "why a", Node b is reporting: "why b"'


def test_pool_status_keeps_a_failed_rendering() -> None:
    """RenderDegraded is the renderer's to clear; Degraded follows it."""
    failed = {"type": "RenderDegraded", "status": "True", "reason": "", "message": "no MachineConfigs"}
    status = pool_status({**pool(), "status": {"conditions": [failed]}}, [updated("a")], NOW)
    found = {c["type"]: c for c in status["conditions"]}
    assert (found["RenderDegraded"]["status"], found["Degraded"]["message"]) == ("True", "no MachineConfigs")


def test_set_condition_moves_its_time_with_the_status_only() -> None:
    """Another message alone leaves lastTransitionTime."""
    found: list[Object] = []
    set_condition(found, "Updated", "True", "", "one", NOW)
    set_condition(found, "Updated", "True", "", "two", LATER)
    assert found == [{"type": "Updated", "status": "True", "reason": "", "message": "two", "lastTransitionTime": NOW}]
    set_condition(found, "Updated", "False", "", "", LATER)
    assert found[0]["lastTransitionTime"] == LATER


def test_pool_status_is_the_same_when_nothing_changed() -> None:
    """A second look at another time writes nothing."""
    nodes = [updated("a"), node("b", desired=NEW, state=names.DEGRADED, reason="x")]
    first = pool_status(pool(), nodes, NOW)
    assert pool_status({**pool(), "status": first}, nodes, LATER) == first
