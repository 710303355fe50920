"""Which node can take a pod, and upstream's words when none can."""

from typing import Any

import pytest

from podsysctl.objects import taints
from podsysctl.policy.scheduling import filters
from podsysctl.policy.scheduling.misfit import Misfit
from podsysctl.policy.scheduling.nodeinfo import KINDS_KEPT, keep
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.scheduler import wording
from tests.scheduler.builders import Object, node, node_info, pod, wanting

TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}


def affinity(*terms: Any) -> Object:
    """Required node affinity of these terms."""
    required = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def expression(key: str, operator: str, *values: str) -> Object:
    """A term with one expression."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("candidate", "target", "reasons"),
    [
        (pod(), node(), None),
        (pod(), node(unschedulable=True), (filters.UNSCHEDULABLE,)),
        (pod(tolerations=[{"operator": "Exists"}]), node(unschedulable=True), None),
        (pod(nodeName="other"), node(), (filters.NODE_NAME,)),
        (pod(), node(taints=[TAINT]), (filters.TAINTS,)),
        (pod(), node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), None),
        (pod(), node(taints=[{**TAINT, "effect": "NoExecute"}]), (filters.TAINTS,)),
        (pod(tolerations=[{"key": "k", "value": "v"}]), node(taints=[TAINT]), None),
        (pod(tolerations=[{"key": "k", "value": "w"}]), node(taints=[TAINT]), (filters.TAINTS,)),
        (
            pod(tolerations=[{"key": "k", "operator": "Exists", "effect": "NoExecute"}]),
            node(taints=[TAINT]),
            (filters.TAINTS,),
        ),
        (pod(nodeSelector={"a": "1"}), node(labels={"a": "1"}), None),
        (pod(nodeSelector={"a": "1"}), node(labels={"a": "2"}), (filters.AFFINITY,)),
        (pod(affinity=affinity(expression("a", "In", "1", "2"))), node(labels={"a": "2"}), None),
        (pod(affinity=affinity(expression("a", "Gt", "3"))), node(labels={"a": "4"}), None),
        (pod(affinity=affinity(expression("a", "Gt", "3"))), node(labels={"a": "3"}), (filters.AFFINITY,)),
        (pod(affinity=affinity(expression("a", "Lt", "3"))), node(labels={"a": "2"}), None),
        (pod(affinity=affinity(expression("a", "DoesNotExist"))), node(), None),
        (pod(affinity=affinity({})), node(), (filters.AFFINITY,)),
        (
            pod(
                affinity=affinity(
                    expression("a", "Exists"),
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
                )
            ),
            node(),
            None,
        ),
        (wanting(cpu="4"), node(), None),
        (wanting(cpu="4001m"), node(), ("Insufficient cpu",)),
        (wanting(memory="9Gi", cpu="5"), node(), ("Insufficient cpu", "Insufficient memory")),
        (wanting(**{"example.com/x": "1"}), node(), ("Insufficient example.com/x",)),
        (pod(), node(allocatable={"pods": "0"}), ("Too many pods",)),
    ],
)
def test_check_node_gives_the_first_filter_that_refuses(
    candidate: Object, target: Object, reasons: tuple[str, ...] | None
) -> None:
    """Each filter refuses on one side of its boundary and accepts on the other."""
    info = PodInfo(candidate)
    misfit = filters.check(info, node_info(target))
    assert (misfit.reasons if misfit else None) == reasons


def test_check_resources_taken_by_other_pods_count() -> None:
    """What pods on the node request is gone; a node that could never hold the pod is hopeless."""
    info = node_info(node(), wanting("a", cpu="3"))
    full = filters.check(PodInfo(wanting("b", cpu="2")), info)
    assert full == Misfit(("Insufficient cpu",), hopeless=False)
    assert filters.check(PodInfo(wanting("b", cpu="1")), info) is None
    info.remove("uid-a")
    assert filters.check(PodInfo(wanting("b", cpu="2")), info) is None
    never = filters.check(PodInfo(wanting("b", cpu="5")), info)
    assert never == Misfit(("Insufficient cpu",), hopeless=True)


def ported(name: str, number: int, address: str = "", protocol: str = "TCP") -> Object:
    """A pod with one host port."""
    port = {"containerPort": 1, "hostPort": number, "hostIP": address, "protocol": protocol}
    return pod(name, containers=[{"name": "c", "ports": [port]}])


@pytest.mark.parametrize(
    ("wanted", "taken", "fits"),
    [
        (ported("a", 80), ported("b", 80), False),
        (ported("a", 80), ported("b", 81), True),
        (ported("a", 80), ported("b", 80, protocol="UDP"), True),
        (ported("a", 80, "10.0.0.1"), ported("b", 80), False),
        (ported("a", 80), ported("b", 80, "10.0.0.1"), False),
        (ported("a", 80, "10.0.0.2"), ported("b", 80, "10.0.0.1"), True),
    ],
)
def test_check_host_ports_conflict_by_address_and_protocol(wanted: Object, taken: Object, fits: bool) -> None:
    """One address, protocol and port is given once; 0.0.0.0 stands for every address."""
    misfit = filters.check(PodInfo(wanted), node_info(node(), taken))
    assert (misfit is None) is fits


def test_fit_error_lists_reasons_sorted_as_text() -> None:
    """The sentence is upstream's, with the preemption part."""
    misfits = [Misfit((filters.TAINTS,)), Misfit((filters.AFFINITY,)), Misfit((filters.TAINTS,))]
    assert wording.fit_error(3, misfits) == (
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
        "2 node(s) had untolerated taint(s). "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )
    assert wording.fit_error(2, [Misfit(("Insufficient cpu",), hopeless=False), Misfit((filters.TAINTS,))]) == (
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). "
        "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    )


def test_fit_error_says_that_pods_of_lower_priority_stay() -> None:
    """Nothing is preempted here, so where upstream would have found victims its words would be untrue."""
    full = Misfit(("Insufficient cpu",), hopeless=False)
    assert wording.fit_error(3, [full, full, Misfit((filters.TAINTS,))], spared=1) == (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. "
        "preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, "
        "1 Pods with lower priority are not preempted, 1 Preemption is not helpful for scheduling."
    )


def test_node_has_pods_below_a_priority() -> None:
    """Equal priority is not lower; a pod without one has priority 0."""
    info = node_info(node(), pod("a"), pod("b", priority=5))
    assert [info.has_below(priority) for priority in (0, 1, 5, 6)] == [False, True, True, True]


def test_seconds_tolerated_smallest_limit_counts() -> None:
    """Every taint must be tolerated, and the shortest toleration decides."""
    two = [{"key": "a", "effect": "NoExecute"}, {"key": "b", "effect": "NoExecute"}]
    forever = {"key": "a", "operator": "Exists"}
    assert taints.seconds_tolerated(two, [forever]) == 0
    assert taints.seconds_tolerated(two, [forever, {"key": "b", "operator": "Exists", "tolerationSeconds": 30}]) == 30
    assert taints.seconds_tolerated(two, [{"operator": "Exists"}]) is None
    assert taints.seconds_tolerated([{"key": "a", "effect": "NoSchedule"}], []) is None


def test_check_sees_each_change_of_a_node_that_it_was_asked_about_before() -> None:
    """What a node remembers of a kind of pods is forgotten with what it rests on."""
    info = node_info(node(labels={"zone": "a"}))
    candidate = PodInfo(pod(nodeSelector={"zone": "a"}))
    tainted = node(labels={"zone": "a"}, taints=[{"key": "k", "effect": "NoSchedule"}])
    for changed, reasons in (
        (node(labels={"zone": "a"}), None),
        (tainted, (filters.TAINTS,)),
        (node(labels={"zone": "a"}, unschedulable=True), (filters.UNSCHEDULABLE,)),
        (node(labels={"zone": "b"}), (filters.AFFINITY,)),
        (node(labels={"zone": "a"}, allocatable={"pods": "0"}), (filters.TOO_MANY_PODS,)),
        (node(labels={"zone": "a"}), None),
    ):
        info.set_node(changed)
        misfit = filters.check(candidate, info)
        assert (misfit.reasons if misfit else None) == reasons
    info.set_node(tainted)
    tolerant = PodInfo(pod(nodeSelector={"zone": "a"}, tolerations=[{"key": "k", "operator": "Exists"}]))
    assert filters.check(candidate, info) is not None
    assert filters.check(tolerant, info) is None


def test_keep_forgets_all_rather_than_grow() -> None:
    """However many kinds of pods there are, a node's memory is bounded."""
    found: dict[int, int] = {}
    for kind in range(KINDS_KEPT + 1):
        assert keep(found, kind, kind) == kind
    assert found == {KINDS_KEPT: KINDS_KEPT}
