"""How evenly pods are spread: topologySpreadConstraints that say DoNotSchedule."""

from typing import Any

import pytest

from podsysctl.policy.scheduling import filters, topology_spread
from podsysctl.policy.scheduling.nodeinfo import Cluster
from podsysctl.policy.scheduling.podinfo import PodInfo
from tests.scheduler.builders import Object, cluster, node, pod

ZONE = "zone"
WEB = {"matchLabels": {"app": "web"}}
TAINT = {"key": "k", "effect": "NoSchedule"}


def spread(skew: int = 1, key: str = ZONE, **fields: Any) -> Object:
    """A hard constraint over the pods of the app."""
    return {
        "maxSkew": skew,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": WEB,
        **fields,
    }


def web(name: str = "p", *constraints: Object, labels: Object | None = None, **spec: Any) -> Object:
    """A pod of the app."""
    made = pod(name, topologySpreadConstraints=list(constraints), **spec)
    made["metadata"]["labels"] = {"app": "web", **(labels or {})}
    return made


def zones(**counts: int) -> Cluster:
    """A node in each zone, with so many pods of the app on it, and one node without a zone."""
    out = cluster(*(node(zone, labels={ZONE: zone, "name": zone}) for zone in counts), node("bare"))
    for zone, count in counts.items():
        for number in range(count):
            out.place(PodInfo(web(f"{zone}-{number}")), zone)
    return out


def misfits(candidate: Object, of: Cluster) -> dict[str, str]:
    """Why not, by node; those that can take the pod are left out."""
    info = PodInfo(candidate)
    prepared = filters.prepare(info, of)
    found = {one.name: filters.check(info, one, prepared) for one in of.nodes()}
    return {name: misfit.reasons[0] for name, misfit in found.items() if misfit is not None}


@pytest.mark.parametrize(
    ("counts", "constraint", "crowded"),
    [
        ({"a": 1, "b": 0}, spread(), {"a"}),
        ({"a": 1, "b": 1}, spread(), set()),
        ({"a": 2, "b": 0}, spread(2), {"a"}),
        ({"a": 1, "b": 0}, spread(2), set()),
        ({"a": 3, "b": 1, "c": 1}, spread(2), {"a"}),
        ({"a": 1}, spread(minDomains=2), {"a"}),
        ({"a": 0}, spread(minDomains=2), set()),
        ({"a": 1, "b": 1}, spread(minDomains=2), set()),
        ({"a": 1, "b": 0}, spread(whenUnsatisfiable="ScheduleAnyway"), None),
        ({"a": 1, "b": 0}, spread(labelSelector={"matchLabels": {"app": "db"}}), set()),
        ({"a": 1, "b": 0}, spread(labelSelector={}), set()),
        ({"a": 1, "b": 0}, spread(labelSelector=None), set()),
    ],
)
def test_spread_refuses_nodes_of_parts_that_would_be_too_full(
    counts: dict[str, int], constraint: Object, crowded: set[str] | None
) -> None:
    """maxSkew counts from the emptiest part, or from nothing with fewer than minDomains parts."""
    wanted = dict.fromkeys(crowded or (), topology_spread.CROWDED)
    if crowded is not None:
        wanted["bare"] = topology_spread.NO_LABEL
    assert misfits(web("p", constraint), zones(**counts)) == wanted


def test_spread_counts_neither_pods_that_are_going_nor_other_namespaces() -> None:
    """A pod whose deletion was asked for makes room at once."""
    of = zones(a=0, b=0)
    going = web("going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    elsewhere = web("elsewhere")
    elsewhere["metadata"]["namespace"] = "other"
    for one in (going, elsewhere):
        of.place(PodInfo(one), "a")
    assert set(misfits(web("p", spread()), of)) == {"bare"}
    of.place(PodInfo(web("counted")), "a")
    assert set(misfits(web("p", spread()), of)) == {"a", "bare"}


@pytest.mark.parametrize(("policy", "crowded"), [("Honor", set()), ("Ignore", {"a"})])
def test_spread_node_affinity_policy_decides_which_nodes_count(policy: str, crowded: set[str]) -> None:
    """An empty part that the pod's selector excludes counts only when the policy says so."""
    selector = {"nodeSelector": {"kept": "yes"}}
    of = zones(a=1, b=0)
    of.set_node(node("a", labels={ZONE: "a", "kept": "yes"}))
    found = misfits(web("p", spread(nodeAffinityPolicy=policy), **selector), of)
    assert {name for name, reason in found.items() if reason == topology_spread.CROWDED} == crowded


@pytest.mark.parametrize(("policy", "crowded"), [("Honor", set()), ("Ignore", {"a"}), (None, {"a"})])
def test_spread_node_taints_policy_decides_which_nodes_count(policy: str | None, crowded: set[str]) -> None:
    """An empty part that the pod does not tolerate counts unless the policy says otherwise."""
    of = zones(a=1, b=0)
    of.set_node(node("b", labels={ZONE: "b"}, taints=[TAINT]))
    found = misfits(web("p", spread(nodeTaintsPolicy=policy)), of)
    assert {name for name, reason in found.items() if reason == topology_spread.CROWDED} == crowded


def test_spread_match_label_keys_tell_revisions_apart() -> None:
    """Only pods with the same value of the key count."""
    of = zones(a=0, b=0)
    of.place(PodInfo(web("old", labels={"hash": "1"})), "a")
    constraint = spread(matchLabelKeys=["hash"])
    assert "a" not in misfits(web("p", constraint, labels={"hash": "2"}), of)
    assert "a" in misfits(web("p", constraint, labels={"hash": "1"}), of)
    assert "a" in misfits(web("p", constraint), of), "a key that the pod does not have is left out"


def test_spread_every_constraint_must_hold_and_counts_nodes_with_all_keys() -> None:
    """A node that lacks the key of one constraint is counted for none."""
    of = zones(a=1, b=1, c=0)
    of.set_node(node("c", labels={"name": "c"}))
    found = misfits(web("p", spread(), spread(key="name")), of)
    assert found == {"c": topology_spread.NO_LABEL, "bare": topology_spread.NO_LABEL}
