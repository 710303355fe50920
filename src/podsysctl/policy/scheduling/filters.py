"""Which nodes can take a pod: the filters of the default profile, in its order, with its words.

Those of volumes (VolumeBinding, VolumeRestrictions, VolumeZone, NodeVolumeLimits) and DynamicResources are left out: no
node of ours has such volumes or devices. Source: Kubernetes 1.36 `pkg/scheduler/framework/plugins`. A filter gives the
reasons why not; a node that no removal of other pods would help is hopeless.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from podsysctl.objects import node_affinity, taints
from podsysctl.policy.scheduling import pod_affinity, topology_spread
from podsysctl.policy.scheduling.misfit import Misfit
from podsysctl.policy.scheduling.nodeinfo import Cluster, NodeInfo, keep
from podsysctl.policy.scheduling.podinfo import PodInfo, ports_conflict

UNSCHEDULABLE = "node(s) were unschedulable"
NODE_NAME = "node(s) didn't match the requested node name"
TAINTS = "node(s) had untolerated taint(s)"
AFFINITY = "node(s) didn't match Pod's node affinity/selector"
AFFINITY_CONFLICT = "pod affinity terms conflict"
OTHER_NODE = "node(s) didn't satisfy plugin(s) [NodeAffinity]"
"""For nodes that the pod's affinity excludes by name, which are not looked at."""
PORTS = "node(s) didn't have free ports for the requested pod ports"
TOO_MANY_PODS = "Too many pods"

_UNSCHEDULABLE_TAINT = {"key": taints.UNSCHEDULABLE, "effect": taints.NO_SCHEDULE}
_HARD = (taints.NO_SCHEDULE, taints.NO_EXECUTE)
_BASIC = ("cpu", "memory", "ephemeral-storage")


def _node_unschedulable(pod: PodInfo, node: NodeInfo) -> Misfit | None:
    if not node.unschedulable:
        return None
    tolerations = pod.spec.get("tolerations") or ()
    if any(taints.tolerates(entry, _UNSCHEDULABLE_TAINT) for entry in tolerations):
        return None
    return Misfit((UNSCHEDULABLE,))


def _node_name(pod: PodInfo, node: NodeInfo) -> Misfit | None:
    wanted = pod.spec.get("nodeName")
    return Misfit((NODE_NAME,)) if wanted and wanted != node.name else None


def _taints(pod: PodInfo, node: NodeInfo) -> Misfit | None:
    if node.taints and taints.first_untolerated(node.taints, pod.spec.get("tolerations"), _HARD) is not None:
        return Misfit((TAINTS,))
    return None


def _affinity(pod: PodInfo, node: NodeInfo) -> Misfit | None:
    if node_affinity.required_match(pod.spec, node.name, node.labels):
        return None
    return Misfit((AFFINITY,))


def _ports(pod: PodInfo, node: NodeInfo) -> Misfit | None:
    return Misfit((PORTS,), hopeless=False) if ports_conflict(pod.ports, node.ports) else None


def _resources(pod: PodInfo, node: NodeInfo) -> Misfit | None:
    wanted = pod.requests
    is_full = len(node.pods) + 1 > node.allocatable.get("pods", 0)
    if not wanted and not is_full:
        return None
    reasons = [TOO_MANY_PODS] if is_full else []
    hopeless = False
    for name in (*_BASIC, *(name for name in wanted if name not in _BASIC)):
        amount = wanted.get(name, 0)
        offered = node.allocatable.get(name, 0)
        if amount and amount > offered - node.requested.get(name, 0):
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or amount > offered
    return Misfit(tuple(reasons), hopeless) if reasons else None


Filter = Callable[[PodInfo, NodeInfo], Misfit | None]

_OF_THE_NODE: tuple[Filter, ...] = (_node_unschedulable, _node_name, _taints, _affinity)
"""Those that ask nothing but what `PodInfo.placement` and `NodeInfo.verdicts` rest on."""


Prepared = Callable[[NodeInfo], Misfit | None]
"""A filter that has looked at the whole cluster for one pod."""


def prepare(pod: PodInfo, cluster: Cluster) -> tuple[Prepared, ...]:
    """The filters that ask where other pods are, for one decision; none for most pods."""
    if not cluster.repelling and not pod.minds_others:
        return ()
    made = (topology_spread.prepare(pod, cluster), pod_affinity.prepare(pod, cluster))
    return tuple(accept for accept in made if accept is not None)


def check(pod: PodInfo, node: NodeInfo, prepared: Sequence[Prepared] = ()) -> Misfit | None:
    """The first filter that refuses, or None when the node can take the pod; `prepared` comes from `prepare`."""
    misfit = check_node(pod, node)
    if misfit is None and pod.ports:
        misfit = _ports(pod, node)
    misfit = misfit or _resources(pod, node)
    for accept in prepared:
        misfit = misfit or accept(node)
    return misfit


def check_node(pod: PodInfo, node: NodeInfo) -> Misfit | None:
    """The first filter that refuses of those that ask about the Node object alone, and not about its room."""
    placement = pod.placement
    if placement in node.verdicts:
        return node.verdicts[placement]
    return keep(node.verdicts, placement, _by_the_node(pod, node))


def _by_the_node(pod: PodInfo, node: NodeInfo) -> Misfit | None:
    for accept in _OF_THE_NODE:
        misfit = accept(pod, node)
        if misfit is not None:
            return misfit
    return None
