"""Whether the node still has what the pod requests: pods, cpu, memory, storage (lifecycle/predicate.go)."""

from __future__ import annotations

from typing import Any

from podsysctl.node import amounts
from podsysctl.node import pod as pods
from podsysctl.node.gates.verdict import NodeView, Rejection

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
    """What a pod requests as a whole: cpu in thousandths, everything else in units.

    Containers run together, init containers one after the other beside the sidecars started before them.
    """
    level = (pods.spec(pod).get("resources") or {}).get("requests")
    if level:
        return {name: amounts.of(name, text) for name, text in level.items()}
    running: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in pods.init_containers(pod):
        own = _requests(container)
        if pods.is_restartable_init(container):
            _add(running, own)
            own = {}
        both = dict(running)
        _add(both, own)
        for name, amount in both.items():
            peak[name] = max(peak.get(name, 0), amount)
    for container in pods.containers(pod):
        _add(running, _requests(container))
    out = {name: max(running.get(name, 0), peak.get(name, 0)) for name in running.keys() | peak.keys()}
    for name, text in (pods.spec(pod).get("overhead") or {}).items():
        out[name] = out.get(name, 0) + amounts.of(name, text)
    return out


def _requests(container: dict[str, Any]) -> dict[str, int]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return {name: amounts.of(name, text) for name, text in requests.items()}


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount
