"""Which pool a node belongs to."""

from __future__ import annotations

import pytest

from podsysctl.controllers.machineconfig.membership import Members, PoolConflictError, pool_of
from tests.controllers.machineconfig.builders import named, node, pool, role_labels

POOLS = [pool("master"), pool("worker"), pool("infra"), pool("gpu")]


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (("worker",), "worker"),
        (("master",), "master"),
        (("infra",), "infra"),
        (("worker", "infra"), "infra"),
        (("master", "worker"), "master"),
        (("master", "worker", "infra", "gpu"), "master"),
        (("other",), None),
        ((), None),
    ],
)
def test_pool_of_node_with_roles_is_the_most_special_one(roles: tuple[str, ...], expected: str | None) -> None:
    """Master before all, a custom pool before worker, none without a matching role."""
    found = pool_of(node("n", labels=role_labels(*roles)), POOLS)
    assert (found["metadata"]["name"] if found else None) == expected


def test_pool_of_node_with_two_custom_roles_is_refused() -> None:
    """Upstream's text."""
    with pytest.raises(PoolConflictError) as caught:
        pool_of(node("n7", labels=role_labels("worker", "infra", "gpu")), POOLS)
    assert caught.value.message == "node n7 belongs to 2 custom roles, cannot proceed with this Node"


@pytest.mark.parametrize("selector", [None, {}])
def test_pool_without_node_selector_selects_nothing(selector: object) -> None:
    """An absent or empty selector does not mean every node."""
    assert pool_of(node("n"), [pool("worker", nodeSelector=selector)]) is None


def test_members_node_that_changes_role_touches_both_pools() -> None:
    """The former and the new pool are looked at again, and the node is in the new one only."""
    members = Members()
    members.set_pools(POOLS)
    assert members.set_node(node("n")) == {"worker"}
    assert members.set_node(node("n", labels=role_labels("worker", "infra"))) == {"worker", "infra"}
    assert (named(members.nodes("worker")), named(members.nodes("infra"))) == ([], ["n"])
    assert members.remove_node("n") == {"infra"}
    assert members.nodes("infra") == []
    assert members.remove_node("n") == set()


def test_members_new_pool_takes_its_nodes_from_the_workers() -> None:
    """A pool that appears later judges the nodes that are there; nodes come by name."""
    members = Members()
    members.set_pools([pool("worker")])
    for name in ("b", "a"):
        members.set_node(node(name, labels=role_labels("worker")))
    members.set_node(node("c", labels=role_labels("worker", "infra")))
    assert named(members.nodes("worker")) == ["a", "b", "c"]
    members.set_pools(POOLS)
    assert (named(members.nodes("worker")), named(members.nodes("infra"))) == (["a", "b"], ["c"])


def test_members_node_that_two_custom_pools_claim_is_in_neither() -> None:
    """It is left alone rather than moved to and fro."""
    members = Members()
    members.set_pools(POOLS)
    members.set_node(node("n", labels=role_labels("worker", "infra", "gpu")))
    assert [members.nodes(name) for name in ("worker", "infra", "gpu")] == [[], [], []]
