"""Whether the node still has what the pod requests: pods, cpu, memory, storage (lifecycle/predicate.go)."""

from __future__ import annotations

from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling.podinfo import PodInfo

_COUNTED = ("cpu", "memory", "ephemeral-storage")


def admit(pod: PodInfo, view: NodeView) -> Rejection | None:
    """Refuse for the first resource that does not suffice; one that the node does not know is left to others."""
    capacity = view.allocatable.get("pods")
    if capacity is not None and len(view.active_pods) + 1 > capacity:
        return _refuse("pods", 1, len(view.active_pods), capacity)
    wanted = pod.requests
    if not wanted:
        return None
    for resource in (*_COUNTED, *sorted(set(wanted) - set(_COUNTED))):
        amount = wanted.get(resource, 0)
        capacity = view.allocatable.get(resource)
        if not amount or capacity is None:
            continue
        used = sum(other.requests.get(resource, 0) for other in view.active_pods)
        if used + amount > capacity:
            return _refuse(resource, amount, used, capacity)
    return None


def _refuse(resource: str, requested: int, used: int, capacity: int) -> Rejection:
    text = f"Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
    return Rejection(f"OutOf{resource}", text)
