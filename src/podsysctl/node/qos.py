"""The quality-of-service class of a pod, from its containers' cpu and memory. Pure."""

from __future__ import annotations

from typing import Any

from podsysctl.node import amounts
from podsysctl.node import pod as pods

GUARANTEED = "Guaranteed"
BURSTABLE = "Burstable"
BEST_EFFORT = "BestEffort"

_COMPUTE = ("cpu", "memory")


def qos_class(pod: pods.Pod) -> str:
    """Guaranteed, Burstable or BestEffort; the API's own answer when it gave one (core/v1/helper/qos)."""
    given = pods.status(pod).get("qosClass")
    if given:
        return str(given)
    level = pods.spec(pod).get("resources") or {}
    if level.get("requests") or level.get("limits"):
        return _of_requirements([level])
    containers = pods.containers(pod) + pods.init_containers(pod)
    return _of_requirements([c.get("resources") or {} for c in containers])


def _of_requirements(requirements: list[dict[str, Any]]) -> str:
    requests: dict[str, int] = {}
    limits: dict[str, int] = {}
    guaranteed = True
    for entry in requirements:
        for name, amount in _positive(entry.get("requests")).items():
            requests[name] = requests.get(name, 0) + amount
        limited = _positive(entry.get("limits"))
        for name, amount in limited.items():
            limits[name] = limits.get(name, 0) + amount
        guaranteed = guaranteed and limited.keys() == set(_COMPUTE)
    if not requests and not limits:
        return BEST_EFFORT
    if guaranteed and requests == limits:
        return GUARANTEED
    return BURSTABLE


def _positive(given: dict[str, Any] | None) -> dict[str, int]:
    """Amounts of cpu and memory above zero, in thousandths."""
    out = {}
    for name in _COMPUTE:
        text = (given or {}).get(name)
        if text is not None:
            milli = amounts.milli(text)
            if milli > 0:
                out[name] = milli
    return out
