"""Which of the fitting nodes is chosen."""

from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.scheduler import scores
from tests.scheduler.builders import Object, node, node_info, pod, wanting


def chosen(candidate: Object, *nodes: object) -> str:
    """The name of the best node."""
    return scores.best(PodInfo(candidate), list(nodes)).name  # type: ignore[arg-type]


def test_best_prefers_the_emptier_node() -> None:
    """Least allocated wins when nothing else tells."""
    assert chosen(wanting(cpu="1"), node_info(node("a"), wanting("x", cpu="2")), node_info(node("b"))) == "b"


def test_best_sees_pods_that_came_and_went_since_it_was_last_asked() -> None:
    """What is remembered of a node's allocation is forgotten with each pod and each change of its allocatable."""
    one, other = node_info(node("a")), node_info(node("b"), wanting("x", cpu="1"))
    candidate = wanting(cpu="1")
    assert chosen(candidate, one, other) == "a"
    one.add(PodInfo(wanting("y", cpu="2")))
    assert chosen(candidate, one, other) == "b"
    one.remove("uid-y")
    assert chosen(candidate, one, other) == "a"
    one.set_node(node("a", allocatable={"cpu": "1"}))
    assert chosen(candidate, one, other) == "b"


def test_best_prefers_what_affinity_prefers() -> None:
    """The weights of preferred terms decide over allocation."""
    preferred = [
        {"weight": 10, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}}
    ]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    busy = node_info(node("a", labels={"disk": "ssd"}), wanting("x", cpu="3"))
    assert chosen(pod(affinity=affinity), busy, node_info(node("b"))) == "a"


def test_best_avoids_prefer_no_schedule() -> None:
    """A taint of PreferNoSchedule is avoided, unless it is tolerated."""
    tainted = node_info(node("a", taints=[{"key": "k", "effect": "PreferNoSchedule"}]))
    busy = node_info(node("b"), wanting("x", cpu="2"))
    assert chosen(pod(), tainted, busy) == "b"
    assert chosen(pod(tolerations=[{"key": "k", "operator": "Exists"}]), tainted, busy) == "a"


def test_best_spreads_pods_of_one_owner() -> None:
    """Siblings go to different nodes."""
    owner = [{"uid": "rs", "controller": True}]
    first, second = pod("x"), pod("y")
    for one in (first, second):
        one["metadata"]["ownerReferences"] = owner
    assert chosen(second, node_info(node("a"), first), node_info(node("b"))) == "b"


def test_best_prefers_nodes_that_accept_the_sysctls() -> None:
    """A node whose kubelet allows the pod's sysctls beats all else; without one the pod still gets a node."""
    wants = pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})

    def allowing(name: str, allowed: str | None) -> Object:
        out = node(name)
        if allowed is not None:
            patterns = tuple(allowed.split())
            out["metadata"]["annotations"] = NodeFacts(name, "6.1.0", allowed=patterns).to_annotations()
        return out

    busy = node_info(allowing("yes", "kernel.msg*"), wanting("x", cpu="3", memory="7Gi"))
    assert chosen(wants, node_info(allowing("no", "")), node_info(allowing("silent", None)), busy) == "yes"
    assert chosen(wants, node_info(allowing("no", ""))) == "no"
