"""Which profile a node gets, row by row as OpenShift's operator decides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from podsysctl.controllers.tuning import choice, rules
from podsysctl.controllers.tuning.choice import Subject
from podsysctl.objects.machineconfig import NODE_ROLE_PREFIX, ROLE_LABEL
from tests.controllers.tuning.builders import Object, pool, role_pool, rule, tuned

Labels = dict[str, str]


def chosen(
    *tuneds: Object, labels: Labels | None = None, pods: Sequence[Labels] = (), pools: Sequence[Object] = ()
) -> str | None:
    """The profile of a node with these labels, pods' labels and pools around it."""
    subject = Subject(labels or {}, lambda: pods, choice.read_pools(pools))
    found = choice.choose(rules.parse(tuneds), subject)
    return None if found is None else found.winner.profile


def role(name: str) -> Labels:
    """A node's label of a role."""
    return {f"{NODE_ROLE_PREFIX}{name}": ""}


def test_lowest_number_is_asked_first() -> None:
    """0 is the highest priority."""
    assert chosen(tuned("a", rule("ten", 10), rule("zero", 0), rule("five", 5))) == "zero"


def test_equal_priorities_go_by_name_of_tuned_then_by_place() -> None:
    """Whatever order the objects come in; the sort is stable."""
    first, second = tuned("a", rule("a1"), rule("a2")), tuned("b", rule("b1"))
    assert chosen(second, first) == chosen(first, second) == "a1"


def test_rule_without_match_is_for_every_node() -> None:
    """And hides all that come after it."""
    assert chosen(tuned("a", rule("all", 10), rule("later", 11, match=[{"label": "x"}])), labels={"x": ""}) == "all"


@pytest.mark.parametrize(
    ("match", "labels", "matches"),
    [
        ([{"label": "x"}], {"x": "1"}, True),
        ([{"label": "x"}], {"y": "1"}, False),
        ([{"label": "x"}], {"x": ""}, True),
        ([{"label": "x", "value": "1"}], {"x": "1"}, True),
        ([{"label": "x", "value": "1"}], {"x": "2"}, False),
        ([{"label": "x", "value": ""}], {"x": ""}, True),
        ([{"label": "x", "value": ""}], {"x": "1"}, False),
        ([{"label": "x", "type": "node"}], {"x": "1"}, True),
        ([{"label": "x"}, {"label": "y"}], {"y": ""}, True),
        ([{"label": "x"}, {"label": "y"}], {"z": ""}, False),
        ([{"label": "x", "match": [{"label": "y"}]}], {"x": ""}, False),
        ([{"label": "x", "match": [{"label": "y"}]}], {"x": "", "y": ""}, True),
        ([{"label": "x", "match": [{"label": "y"}, {"label": "z"}]}], {"x": "", "z": ""}, True),
        ([{"label": "x", "match": [{"label": "y", "match": [{"label": "z"}]}]}], {"x": "", "y": ""}, False),
        ([{"label": "x", "match": [{"label": "y", "match": [{"label": "z"}]}]}], {"x": "", "y": "", "z": ""}, True),
        ([{"label": "x", "match": []}], {"x": ""}, True),
        ([], {}, True),
        ([{"label": "x", "match": [{}]}], {"x": ""}, True),
        ([{"label": "x", "match": [{"label": "y", "value": 1}]}], {"x": "", "y": "1"}, False),
        ([{"label": "x", "match": ["y"]}], {"x": "", "y": ""}, False),
        ([{"label": "x", "match": [{"label": "y", "match": {"label": "z"}}]}], {"x": "", "y": "", "z": ""}, False),
    ],
)
def test_match_is_or_and_what_is_nested_is_and(match: Any, labels: Labels, matches: bool) -> None:
    """A label without value needs to be there; an empty nested list holds; broken nested entries never do."""
    assert (chosen(tuned("a", rule("p", match=match)), labels=labels) == "p") is matches


@pytest.mark.parametrize(
    ("match", "pods", "matches"),
    [
        ({"label": "app"}, [{"app": "x"}], True),
        ({"label": "app"}, [], False),
        ({"label": "app", "value": "x"}, [{"app": "y"}, {"app": "x"}], True),
        ({"label": "app", "value": "x"}, [{"app": "y"}], False),
        ({"label": "app", "match": [{"label": "tier", "type": "pod"}]}, [{"app": ""}, {"tier": ""}], True),
        ({"label": "app", "match": [{"label": "n"}]}, [{"app": "", "n": ""}], False),
    ],
)
def test_pod_match_asks_all_pods_of_the_node(match: Object, pods: list[Labels], matches: bool) -> None:
    """Any pod will do, another one for a nested entry too; nested entries without type ask the node."""
    entry = {**match, "type": "pod"}
    assert (chosen(tuned("a", rule("p", match=[entry])), pods=pods) == "p") is matches


def test_machine_config_labels_match_through_the_pools_of_the_node() -> None:
    """The pool selects the labels, and the node is in the pool."""
    one = tuned("a", rule("p", machineConfigLabels={ROLE_LABEL: "worker"}))
    pools = [role_pool("worker"), role_pool("master")]
    assert chosen(one, labels=role("worker"), pools=pools) == "p"
    assert chosen(one, labels=role("master"), pools=pools) is None
    assert chosen(one, labels=role("worker"), pools=[]) is None


def test_machine_config_labels_alone_are_no_catch_all() -> None:
    """Absent match with labels that no pool selects matches nobody."""
    assert chosen(tuned("a", rule("p", machineConfigLabels={"x": "y"})), pools=[role_pool("worker")]) is None


@pytest.mark.parametrize("labels", [{}, {"x": ""}])
def test_machine_config_labels_are_asked_when_match_fails(labels: Labels) -> None:
    """Either is enough."""
    one = tuned("a", rule("p", match=[{"label": "x"}], machineConfigLabels={ROLE_LABEL: "worker"}))
    assert chosen(one, labels={**labels, **role("worker")}, pools=[role_pool("worker")]) == "p"
    assert chosen(one, labels=labels, pools=[role_pool("worker")]) == ("p" if labels else None)


def test_empty_machine_config_labels_match_nobody() -> None:
    """They are given, so the rule is no catch-all, and empty ones select no MachineConfig of a pool by label."""
    one = tuned("a", rule("p", machineConfigLabels={}))
    assert chosen(one, labels=role("worker"), pools=[role_pool("worker")]) is None


def test_node_of_a_custom_pool_is_in_worker_too() -> None:
    """Profiles for workers reach it, unlike those of a pool it is not in."""
    pools = [role_pool("worker"), role_pool("infra"), role_pool("master")]
    labels = {**role("worker"), **role("infra")}
    for name, matches in (("worker", True), ("infra", True), ("master", False)):
        one = tuned("a", rule("p", machineConfigLabels={ROLE_LABEL: name}))
        assert (chosen(one, labels=labels, pools=pools) == "p") is matches


def test_master_goes_before_worker_and_custom_pools() -> None:
    """A node that is both lives in master alone; with a custom pool, in master and worker."""
    pools = [role_pool("worker"), role_pool("infra"), role_pool("master")]
    worker = tuned("a", rule("p", machineConfigLabels={ROLE_LABEL: "worker"}))
    infra = tuned("a", rule("p", machineConfigLabels={ROLE_LABEL: "infra"}))
    master = tuned("a", rule("p", machineConfigLabels={ROLE_LABEL: "master"}))
    both = {**role("master"), **role("worker")}
    assert chosen(worker, labels=both, pools=pools) is None
    assert chosen(master, labels=both, pools=pools) == "p"
    three = {**both, **role("infra")}
    assert chosen(infra, labels=three, pools=pools) is None
    assert chosen(worker, labels=three, pools=pools) == "p"


def test_node_of_two_custom_pools_is_in_none() -> None:
    """Nobody knows which."""
    pools = [role_pool("worker"), role_pool("a"), role_pool("b")]
    labels = {**role("worker"), **role("a"), **role("b")}
    assert chosen(tuned("t", rule("p", machineConfigLabels={ROLE_LABEL: "a"})), labels=labels, pools=pools) is None


@pytest.mark.parametrize("selector", [None, {}, {"matchExpressions": [{"key": "x", "operator": "Bad"}]}])
def test_absent_empty_and_broken_selectors_of_pools_select_nothing(selector: Object | None) -> None:
    """Of nodes as of MachineConfigs."""
    wide = {"matchLabels": role("worker")}
    one = tuned("a", rule("p", machineConfigLabels={ROLE_LABEL: "worker"}))
    labels = role("worker")
    assert chosen(one, labels=labels, pools=[pool("x", selects_nodes=wide, selects_configs=selector)]) is None
    assert chosen(one, labels=labels, pools=[pool("x", selects_nodes=selector, selects_configs=wide)]) is None


def test_pool_may_select_by_expression() -> None:
    """Such as a custom pool that takes the workers' MachineConfigs as well."""
    own = pool(
        "infra",
        selects_nodes={"matchLabels": role("infra")},
        selects_configs={"matchExpressions": [{"key": ROLE_LABEL, "operator": "In", "values": ["worker", "infra"]}]},
    )
    one = tuned("a", rule("p", machineConfigLabels={ROLE_LABEL: "worker"}))
    assert chosen(one, labels=role("infra"), pools=[own]) == "p"


def test_rivals_have_the_winners_priority_and_another_profile() -> None:
    """Only those that match the node."""
    rules_ = rules.parse(
        [
            tuned("a", rule("p", 20), rule("q", 20), rule("p", 20), rule("r", 21)),
            tuned("b", rule("s", 20, match=[{"label": "x"}])),
        ]
    )
    found = choice.choose(rules_, Subject({}, lambda: ()))
    assert found is not None
    assert [r.profile for r in found.rivals] == ["q"]


def test_operand_and_annotations_are_those_of_the_winner() -> None:
    """Not those of another Tuned; values that mean nothing are not carried."""
    annotations = {"tuned.openshift.io/deferred": "update", "tuning.podsysctl.dev/correct-drift": "true", "x": "y"}
    one = tuned("a", rule("p", operand={"debug": True}), annotations=annotations)
    other = tuned("b", rule("q", 30), annotations={"tuned.openshift.io/deferred": "never"})
    found = choice.choose(rules.parse([other, one]), Subject({}, lambda: ()))
    assert found is not None
    assert found.winner.operand == {"debug": True}
    assert found.winner.annotations == {key: value for key, value in annotations.items() if key != "x"}
    assert found.matching[1].annotations == {}
