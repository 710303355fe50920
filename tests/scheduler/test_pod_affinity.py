"""Where a pod may be beside other pods: required affinity and anti-affinity, and the symmetry of the latter."""

from typing import Any

import pytest

from podsysctl.policy.scheduling import filters, pod_affinity
from podsysctl.policy.scheduling.nodeinfo import Cluster
from podsysctl.policy.scheduling.podinfo import PodInfo
from tests.scheduler.builders import Object, cluster, node, pod

ZONE, HOST = "zone", "host"
NODES = (
    node("a1", labels={ZONE: "a", HOST: "a1"}),
    node("a2", labels={ZONE: "a", HOST: "a2"}),
    node("b1", labels={ZONE: "b", HOST: "b1"}),
    node("bare"),
)


def term(key: str = HOST, app: str = "web", **fields: Any) -> Object:
    """A term that speaks of the pods of an app."""
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **fields}


def affine(name: str, *terms: Object, kind: str = "podAffinity", app: str = "", namespace: str = "default") -> Object:
    """A pod with required terms, and the label of an app."""
    affinity = {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}} if terms else {}
    made = pod(name, namespace=namespace, affinity=affinity)
    made["metadata"]["labels"] = {"app": app} if app else {}
    return made


def apart(name: str, *terms: Object, app: str = "", namespace: str = "default") -> Object:
    """The same with anti-affinity."""
    return affine(name, *terms, kind="podAntiAffinity", app=app, namespace=namespace)


def placed(*pods: tuple[Object, str]) -> Cluster:
    """The nodes, with pods on them, and two namespaces with a label each."""
    out = cluster(*NODES)
    for name in ("default", "other"):
        out.set_namespace({"metadata": {"name": name, "labels": {"team": name}}})
    for one, place in pods:
        out.place(PodInfo(one), place)
    return out


def reasons(candidate: Object, of: Cluster) -> dict[str, str]:
    """Why not, by node; those that can take the pod are left out."""
    info = PodInfo(candidate)
    prepared = filters.prepare(info, of)
    found = {one.name: filters.check(info, one, prepared) for one in of.nodes()}
    return {name: misfit.reasons[0] for name, misfit in found.items() if misfit is not None}


def test_pod_without_terms_among_pods_without_anti_affinity_asks_nothing() -> None:
    """The common case costs nothing."""
    assert filters.prepare(PodInfo(pod()), placed((affine("w", term(), app="web"), "a1"))) == ()


@pytest.mark.parametrize(
    ("candidate", "misfits"),
    [
        (affine("p", term(HOST)), {"a2", "b1", "bare"}),
        (affine("p", term(ZONE)), {"b1", "bare"}),
        (affine("p", term(ZONE), term(HOST)), {"a2", "b1", "bare"}),
        (affine("p", term(HOST, "db")), {"a1", "a2", "b1", "bare"}),
        (affine("p", term(HOST, "db"), app="db"), {"bare"}),
        (affine("p", term(HOST, "web"), app="web"), {"a2", "b1", "bare"}),
        (affine("p", term(HOST, namespaces=["other"])), {"a1", "a2", "b1", "bare"}),
        (affine("p", term(HOST), namespace="other"), {"a1", "a2", "b1", "bare"}),
        (affine("p", term(HOST, namespaces=["default"]), namespace="other"), {"a2", "b1", "bare"}),
        (affine("p", term(HOST, namespaceSelector={}), namespace="other"), {"a2", "b1", "bare"}),
        (affine("p", term(HOST, namespaceSelector={"matchLabels": {"team": "default"}}), namespace="other"),
         {"a2", "b1", "bare"}),
        (affine("p", term(HOST, namespaceSelector={"matchLabels": {"team": "x"}})), {"a1", "a2", "b1", "bare"}),
        (affine("p", {"topologyKey": HOST}), {"a1", "a2", "b1", "bare"}),
    ],
)  # fmt: skip
def test_affinity_takes_the_places_of_pods_that_all_terms_speak_of(candidate: Object, misfits: set[str]) -> None:
    """One pod of the app is on a1; the first of a group of its own may be on every node with the label."""
    found = reasons(candidate, placed((affine("w", app="web"), "a1")))
    assert found == dict.fromkeys(misfits, pod_affinity.AFFINITY)


def test_affinity_of_a_node_without_the_label_is_hopeless_and_anti_affinity_is_not() -> None:
    """Removing pods may open a place that others keep shut, and never brings a companion."""
    of = placed((affine("w", app="web"), "a1"))
    for candidate, place, hopeless in ((affine("p", term()), "b1", True), (apart("p", term()), "a1", False)):
        info, target = PodInfo(candidate), of.get(place)
        assert target is not None
        misfit = filters.check(info, target, filters.prepare(info, of))
        assert misfit is not None
        assert misfit.hopeless is hopeless


@pytest.mark.parametrize(
    ("candidate", "misfits"),
    [
        (apart("p", term(HOST)), {"a1"}),
        (apart("p", term(ZONE)), {"a1", "a2"}),
        (apart("p", term(HOST, "db")), set()),
        (apart("p", term("none")), set()),
        (apart("p", term(HOST, "db"), term(ZONE)), {"a1", "a2"}),
        (apart("p", term(HOST), namespace="other"), set()),
        (apart("p", term(HOST, namespaceSelector={}), namespace="other"), {"a1"}),
    ],
)
def test_anti_affinity_leaves_the_places_of_pods_that_one_term_speaks_of(candidate: Object, misfits: set[str]) -> None:
    """One pod of the app is on a1; a node without the label is nobody's place."""
    found = reasons(candidate, placed((affine("w", app="web"), "a1")))
    assert found == dict.fromkeys(misfits, pod_affinity.ANTI_AFFINITY)


@pytest.mark.parametrize(
    ("existing", "candidate", "misfits"),
    [
        (apart("w", term(ZONE)), affine("p", app="web"), {"a1", "a2"}),
        (apart("w", term(HOST)), affine("p", app="web"), {"a1"}),
        (apart("w", term(HOST)), affine("p", app="db"), set()),
        (apart("w", term(HOST)), affine("p", app="web", namespace="other"), set()),
        (apart("w", term(HOST, namespaces=["other"])), affine("p", app="web", namespace="other"), {"a1"}),
        (apart("w", term(HOST, namespaceSelector={"matchLabels": {"team": "other"}})),
         affine("p", app="web", namespace="other"), {"a1"}),
        (apart("w", term("none")), affine("p", app="web"), set()),
    ],
)  # fmt: skip
def test_anti_affinity_of_pods_that_are_there_keeps_others_away(
    existing: Object, candidate: Object, misfits: set[str]
) -> None:
    """It is symmetric: who must not be with a pod is not joined by it either."""
    found = reasons(candidate, placed((existing, "a1")))
    assert found == dict.fromkeys(misfits, pod_affinity.OTHERS_ANTI_AFFINITY)


def test_anti_affinity_ends_with_the_pod_and_follows_its_move() -> None:
    """What keeps others away is counted where it is, and no longer than that."""
    of = placed((apart("w", term(HOST)), "a1"))
    candidate = affine("p", app="web")
    of.place(PodInfo(apart("w", term(HOST))), "b1")
    assert set(reasons(candidate, of)) == {"b1"}
    of.forget("uid-w")
    assert reasons(candidate, of) == {}
    assert of.repelling == {}
