"""What the scheduler says of a pod, node by node, as a gate among the others.

A pod with a nodeName is past it, one with scheduling gates does not come to it, and one of another scheduler is not its
business. Everything else is what the filters say.
Source: kube-scheduler 1.36, plugins schedulinggates and those of `filters.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podsysctl.objects import taints
from podsysctl.policy.scheduling import filters, pod_affinity, topology_spread
from podsysctl.policy.scheduling.misfit import Misfit
from podsysctl.policy.scheduling.nodeinfo import Cluster, NodeInfo
from podsysctl.policy.scheduling.podinfo import DEFAULT_SCHEDULER, PodInfo
from podsysctl.policy.verdict import Gate, Outcome, Verdict

GATED = "Scheduling is blocked due to non-empty scheduling gates"
NO_ROOM_KNOWN = "what the nodes offer, and what other pods take of it, is not known"

_RULES = {
    filters.UNSCHEDULABLE: "cordon",
    filters.AFFINITY: "nodeSelector and affinity",
    filters.PORTS: "hostPort",
    pod_affinity.AFFINITY: "podAffinity",
    pod_affinity.ANTI_AFFINITY: "podAntiAffinity",
    pod_affinity.OTHERS_ANTI_AFFINITY: "podAntiAffinity of other pods",
    topology_spread.CROWDED: "topologySpreadConstraints",
    topology_spread.NO_LABEL: "topologySpreadConstraints",
}

_ALLOWED = Verdict(Gate.SCHEDULING, Outcome.ALLOWED)

Judge = Callable[[NodeInfo], Verdict]


def judge(pod: PodInfo, cluster: Cluster, *, knows_pods: bool) -> Judge:
    """Whether the scheduler may place the pod on a node of the cluster.

    Without `knows_pods` nothing is known of what nodes offer and what is on them: what depends on it is not judged.
    """
    spec = pod.spec
    named = spec.get("nodeName")
    if named:
        refused = Verdict(Gate.SCHEDULING, Outcome.REFUSED, "", f"the pod names node {named}", "nodeName")
        allowed = Verdict(Gate.SCHEDULING, Outcome.ALLOWED, rule="nodeName")
        return lambda node: allowed if node.name == named else refused
    if spec.get("schedulingGates"):
        names = ", ".join(str(gate.get("name")) for gate in spec["schedulingGates"])
        gated = Verdict(Gate.SCHEDULING, Outcome.REFUSED, "", GATED, f"schedulingGates: {names}")
        return lambda _: gated
    other = spec.get("schedulerName") or DEFAULT_SCHEDULER
    if other != DEFAULT_SCHEDULER:
        of_other = _of_other(other, cluster, knows_pods=knows_pods)
        return lambda _: of_other
    if not knows_pods:
        return lambda node: _by_the_node(pod, node)
    prepared = filters.prepare(pod, cluster)

    def by_filters(node: NodeInfo) -> Verdict:
        misfit = filters.check(pod, node, prepared)
        return _ALLOWED if misfit is None else _refused(pod, node, misfit)

    return by_filters


def _of_other(name: str, cluster: Cluster, *, knows_pods: bool) -> Verdict:
    """Another scheduler counts as there when pods of it have nodes; what it decides is not known either way."""
    rule = f"schedulerName: {name}"
    placed = (pod for node in cluster.nodes() for pod in node.pods.values())
    if knows_pods and not any(pod.spec.get("schedulerName") == name for pod in placed):
        text = f"no pod has a node from scheduler {name}, and {DEFAULT_SCHEDULER} leaves the pod alone"
        return Verdict(Gate.SCHEDULING, Outcome.REFUSED, "", text, rule)
    return Verdict(Gate.SCHEDULING, Outcome.UNKNOWN, "", f"scheduler {name} decides, which is not asked", rule)


def _by_the_node(pod: PodInfo, node: NodeInfo) -> Verdict:
    misfit = filters.check_node(pod, node)
    if misfit is not None:
        return _refused(pod, node, misfit)
    if pod.requests or pod.ports or pod.minds_others:
        return Verdict(Gate.SCHEDULING, Outcome.UNKNOWN, "", NO_ROOM_KNOWN, "requests, host ports and other pods")
    return _ALLOWED


def _refused(pod: PodInfo, node: NodeInfo, misfit: Misfit) -> Verdict:
    reason = ", ".join(misfit.reasons)
    rule = f"taint {_taint(pod, node)}" if reason == filters.TAINTS else _RULES.get(reason, "requests")
    return Verdict(Gate.SCHEDULING, Outcome.REFUSED, "", reason, rule)


def _taint(pod: PodInfo, node: NodeInfo) -> str:
    """The taint that is not tolerated, as `kubectl taint` writes it."""
    effects = (taints.NO_SCHEDULE, taints.NO_EXECUTE)
    found: Mapping[str, Any] = taints.first_untolerated(node.taints, pod.spec.get("tolerations"), effects) or {}
    return f"{found.get('key')}={found.get('value') or ''}:{found.get('effect')}"
