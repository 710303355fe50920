"""The preference for accepting nodes that is written into a pod, for schedulers that know no sysctls."""

from __future__ import annotations

from typing import Any

import pytest

from podsysctl.objects.patch import json_patch
from podsysctl.policy import preference
from podsysctl.policy.node_facts import NodeFacts
from tests.policy.builders import pod, with_sysctls

TARGET = with_sysctls(pod(), "kernel.msgmax")


def node(name: str, *allowed: str, **labels: str) -> NodeFacts:
    """A node with an allowlist and labels."""
    return NodeFacts(name, "6.1.0", allowed=allowed, labels={"kubernetes.io/hostname": name, "os": "linux", **labels})


def by_label(key: str, value: str) -> dict[str, Any]:
    """A term for a label."""
    wanted = {"key": key, "operator": "In", "values": [value]}
    return {"weight": 100, "preference": {"matchExpressions": [wanted]}}


def by_name(name: str) -> dict[str, Any]:
    """A term for a node."""
    wanted = {"key": "metadata.name", "operator": "In", "values": [name]}
    return {"weight": 100, "preference": {"matchFields": [wanted]}}


GOOD = "kernel.msg*"


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([], []),
        ([node("a")], []),
        ([node("a", GOOD), node("b", GOOD)], []),
        ([node("a", GOOD), node("b")], [by_name("a")]),
        ([node("a", GOOD, pool="x"), node("b")], [by_label("pool", "x")]),
        ([node("a", GOOD, pool="x"), node("b", pool="x")], [by_name("a")]),
        ([node("a", GOOD, pool="x"), node("b", GOOD, pool="x"), node("c", pool="y")], [by_label("pool", "x")]),
        (
            [node("a", GOOD, pool="x", zone="1"), node("b", GOOD, zone="1"), node("c", GOOD), node("d", zone="2")],
            [by_label("zone", "1"), by_name("c")],
        ),
        ([*(node(f"n{index}", GOOD) for index in range(20)), node("z")], [by_name(f"n{index}") for index in range(8)]),
    ],
)
def test_terms_name_accepting_nodes_by_labels_of_theirs_alone(
    nodes: list[NodeFacts], expected: list[dict[str, Any]]
) -> None:
    """The label of most nodes first, names for the rest, nothing where all nodes are alike."""
    assert preference.terms(TARGET, nodes) == expected


@pytest.mark.parametrize("fields", [{"nodeName": "b"}, {"securityContext": {}}, {"securityContext": {"sysctls": []}}])
def test_terms_are_none_for_pods_without_a_choice_or_without_sysctls(fields: dict[str, Any]) -> None:
    """A pod that is bound already, or asks for nothing."""
    assert preference.terms({**TARGET, "spec": {**TARGET["spec"], **fields}}, [node("a", GOOD), node("b")]) == []


OWN = by_label("mine", "1")
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        (None, [by_name("a")]),
        ({}, [by_name("a")]),
        ({"podAffinity": {}}, [by_name("a")]),
        ({"nodeAffinity": {}}, [by_name("a")]),
        ({"nodeAffinity": {PREFERRED: []}}, [by_name("a")]),
        ({"nodeAffinity": {PREFERRED: [OWN]}}, [OWN, by_name("a")]),
        ({"nodeAffinity": {PREFERRED: [by_name("a")]}}, [by_name("a")]),
    ],
)
def test_patch_adds_the_terms_after_the_pods_own(affinity: Any, expected: list[dict[str, Any]]) -> None:
    """Whatever part of the affinity is there already; a second time nothing is added."""
    target = {**TARGET, "spec": {**TARGET["spec"], **({} if affinity is None else {"affinity": affinity})}}
    nodes = [node("a", GOOD), node("b")]
    patched = json_patch(target, preference.patch(target, nodes))
    assert patched["spec"]["affinity"]["nodeAffinity"][PREFERRED] == expected
    assert {**patched["spec"], "affinity": None} == {**target["spec"], "affinity": None}
    assert preference.patch(patched, nodes) == []
