"""Whether the node still has what the pod requests: pods, cpu, memory, storage (lifecycle/predicate.go)."""

from __future__ import annotations

from podsysctl.node import amounts
from podsysctl.node import pod as pods
from podsysctl.node.gates.verdict import NodeView, Rejection
from podsysctl.objects import resources
from podsysctl.objects.quantity import Quantity

_COUNTED = ("cpu", "memory", "ephemeral-storage")


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """Refuse for the first resource that does not suffice."""
    capacity = view.allocatable.get("pods")
    if capacity is not None and len(view.active_pods) + 1 > capacity:
        return _refuse("pods", 1, len(view.active_pods), capacity)
    wanted = pod_requests(pod)
    used: dict[str, int] = {}
    for other in view.active_pods:
        for resource, amount in pod_requests(other).items():
            used[resource] = used.get(resource, 0) + amount
    for resource in (*_COUNTED, *sorted(set(wanted) - set(_COUNTED))):
        amount = wanted.get(resource, 0)
        capacity = view.allocatable.get(resource)
        if amount and capacity is not None and used.get(resource, 0) + amount > capacity:
            return _refuse(resource, amount, used.get(resource, 0), capacity)
    return None


def _refuse(resource: str, requested: int, used: int, capacity: int) -> Rejection:
    text = f"Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
    return Rejection(f"OutOf{resource}", text)


def pod_requests(pod: pods.Pod) -> dict[str, int]:
    """What a pod requests as a whole, its overhead included: cpu in thousandths, everything else in units."""
    spec = pods.spec(pod)
    out = {name: _amount(name, quantity) for name, quantity in resources.pod_sum(spec, "requests").items()}
    level = (spec.get("resources") or {}).get("requests") or {}
    out |= {name: amounts.of(name, text) for name, text in level.items()}
    for name, text in (spec.get("overhead") or {}).items():
        out[name] = out.get(name, 0) + amounts.of(name, text)
    return out


def _amount(name: str, quantity: Quantity) -> int:
    return quantity.milli if name == "cpu" else quantity.ceil()
