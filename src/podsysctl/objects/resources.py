"""Resource names and sums: which resources are native, divisible or pod-wide, and a pod's QoS class.

Rules follow Kubernetes 1.36 pkg/apis/core/helper, component-helpers/resource and helper/qos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.objects.names import qualified_name
from podsysctl.objects.quantity import NANO, Quantity, parse_quantity

HUGE_PAGES = "hugepages-"
_QOS_RESOURCES = ("cpu", "memory")


def is_huge_page(name: str) -> bool:
    """Whether it is a size of huge pages."""
    return name.startswith(HUGE_PAGES)


def huge_page_size(name: str) -> int:
    """Bytes of one page of a huge page resource; 0 when the name holds no positive whole size."""
    try:
        size = parse_quantity(name.removeprefix(HUGE_PAGES))
    except ValueSyntaxError:
        return 0
    return size.nanos // NANO if size.nanos > 0 and size.nanos % NANO == 0 else 0


def is_native(name: str) -> bool:
    """Whether Kubernetes itself defines it: no slash, or the kubernetes.io prefix."""
    return "/" not in name or "kubernetes.io/" in name


def is_overcommit_allowed(name: str) -> bool:
    """Whether limits may exceed requests."""
    return is_native(name) and not is_huge_page(name)


def is_pod_level(name: str) -> bool:
    """Whether a pod as a whole may ask for it (KEP-2837)."""
    return name in _QOS_RESOURCES or is_huge_page(name)


_STANDARD = frozenset(
    [
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "storage",
        "requests.storage",
        "services.nodeports",
        "services.loadbalancers",
    ]
)
_STANDARD_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_WHOLE = frozenset(
    [
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    ]
)


def is_standard(name: str) -> bool:
    """Whether a name without slash is one that Kubernetes defines."""
    return name in _STANDARD or name.startswith((HUGE_PAGES, f"requests.{HUGE_PAGES}"))


def is_standard_for_containers(name: str) -> bool:
    """Whether a container may ask for a resource without slash."""
    return name in _STANDARD_CONTAINER or is_huge_page(name)


def is_extended(name: str) -> bool:
    """Whether it is a vendor's resource, such as `example.com/device`."""
    return not is_native(name) and not name.startswith("requests.") and not qualified_name(f"requests.{name}")


def is_whole(name: str) -> bool:
    """Whether it is counted in whole numbers."""
    return name in _WHOLE or is_extended(name)


def pod_sum(spec: Mapping[str, Any], which: str) -> dict[str, Quantity]:
    """What a pod's containers need together; `which` is requests or limits.

    Containers add up, with restartable init containers beside them; of the other init containers the largest counts,
    on top of those restartable ones that started before it (KEP-753).
    """
    total: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts(container, which))
    sidecars: dict[str, Quantity] = {}
    peak: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        amounts = _amounts(container, which)
        if container.get("restartPolicy") == "Always":
            _add(total, amounts)
            _add(sidecars, amounts)
            _raise(peak, sidecars)
        else:
            together = dict(amounts)
            _add(together, sidecars)
            _raise(peak, together)
    _raise(total, peak)
    return total


def _amounts(container: Mapping[str, Any], which: str) -> dict[str, Quantity]:
    listed = (container.get("resources") or {}).get(which) or {}
    return {name: parse_quantity(value) for name, value in listed.items()}


def _add(total: dict[str, Quantity], more: Mapping[str, Quantity]) -> None:
    for name, quantity in more.items():
        total[name] = total[name].plus(quantity) if name in total else quantity


def _raise(total: dict[str, Quantity], other: Mapping[str, Quantity]) -> None:
    for name, quantity in other.items():
        if name not in total or quantity.nanos > total[name].nanos:
            total[name] = quantity


def qos_class(pod: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort, from the pod's or its containers' processor and memory."""
    spec = pod.get("spec") or {}
    requests: dict[str, int] = {}
    limits: dict[str, int] = {}
    guaranteed = True
    for resources in _qos_holders(spec):
        _count(requests, resources.get("requests"))
        found = _count(limits, resources.get("limits"))
        if len(found) < len(_QOS_RESOURCES) and (spec.get("resources") is None or resources.get("limits")):
            guaranteed = False
    if not requests and not limits:
        return "BestEffort"
    if guaranteed and requests == limits:
        return "Guaranteed"
    return "Burstable"


def _qos_holders(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if spec.get("resources") is not None:
        yield spec["resources"]
        return
    for list_name in ("containers", "initContainers"):
        for container in spec.get(list_name) or ():
            yield container.get("resources") or {}


def _count(totals: dict[str, int], listed: Mapping[str, Any] | None) -> set[str]:
    found = set()
    for name, value in (listed or {}).items():
        if name in _QOS_RESOURCES:
            nanos = parse_quantity(value).nanos
            if nanos > 0:
                found.add(name)
                totals[name] = totals.get(name, 0) + nanos
    return found
