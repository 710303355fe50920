"""`describe node` (kubectl pkg/describe/describe.go, v1.36)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from podsysctl.cli.ages import age_of
from podsysctl.cli.describe_text import Writer, moment
from podsysctl.client.rest import Object
from podsysctl.objects import quantity

ROLE = "node-role.kubernetes.io/"
NANO = 10**9

INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)


def text(
    node: Object, pods: list[Object] | None, lease: Object | None, lease_error: str, events: list[Object] | None
) -> str:
    """The description of a node; `pods` None means that they may not be seen."""
    w = Writer()
    spec, status = node.get("spec") or {}, node.get("status") or {}
    _head(w, node, spec)
    _lease(w, lease, lease_error)
    _conditions(w, status.get("conditions") or [])
    w.line(0, "Addresses:")
    for address in status.get("addresses") or ():
        w.line(1, f"{address['type']}:\t{address['address']}")
    for title, key in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        if status.get(key):
            w.line(0, f"{title}:")
            for name in sorted(status[key]):
                w.line(1, f"{name}:\t{status[key][name]}")
    w.line(0, "System Info:")
    for title, key in INFO:
        w.line(1, f"{title}:\t{(status.get('nodeInfo') or {}).get(key) or ''}")
    for title, value in (
        ("PodCIDR", spec.get("podCIDR")),
        ("PodCIDRs", ",".join(spec.get("podCIDRs") or ())),
        ("ProviderID", spec.get("providerID")),
    ):
        if value:
            w.line(0, f"{title}:\t{value}")
    if pods is None:
        w.line(0, "Pods:\tnot authorized")
    else:
        _pods(w, pods, status.get("allocatable") or status.get("capacity") or {})
    w.events(events)
    return w.text()


def roles(node: Object) -> list[str]:
    """The node's roles, from its labels."""
    labels = node["metadata"].get("labels") or {}
    found = {key.removeprefix(ROLE) for key in labels if key.startswith(ROLE) and key != ROLE}
    if labels.get("kubernetes.io/role"):
        found.add(labels["kubernetes.io/role"])
    return sorted(found)


def _head(w: Writer, node: Object, spec: Object) -> None:
    metadata = node["metadata"]
    w.line(0, f"Name:\t{metadata['name']}")
    w.line(0, f"Roles:\t{','.join(roles(node)) or '<none>'}")
    w.labels("Labels", metadata.get("labels"))
    w.annotations("Annotations", metadata.get("annotations"))
    w.line(0, f"CreationTimestamp:\t{moment(metadata.get('creationTimestamp'))}")
    taints = sorted(spec.get("taints") or [], key=lambda t: f"{t.get('effect')},{t.get('key')}")
    w.pairs("Taints", [taint_text(t) for t in taints])
    w.line(0, f"Unschedulable:\t{'true' if spec.get('unschedulable') else 'false'}")


def taint_text(taint: Object) -> str:
    """`key=value:Effect`."""
    value = taint.get("value") or ""
    effect = taint.get("effect") or ""
    return f"{taint['key']}" + (f"={value}" if value else "") + (f":{effect}" if effect else "")


def _lease(w: Writer, lease: Object | None, error: str) -> None:
    if lease is None:
        w.line(0, f"Lease:\tFailed to get lease: {error}")
        return
    spec = lease.get("spec") or {}
    w.line(0, "Lease:")
    w.line(1, f"HolderIdentity:\t{spec.get('holderIdentity') or '<unset>'}")
    for title, key in (("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")):
        w.line(1, f"{title}:\t{moment(spec[key]) if spec.get(key) else '<unset>'}")


def _conditions(w: Writer, conditions: Sequence[Object]) -> None:
    if not conditions:
        return
    w.line(0, "Conditions:")
    w.line(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage")
    w.line(1, "----\t------\t-----------------\t------------------\t------\t-------")
    for c in conditions:
        heard, changed = moment(c.get("lastHeartbeatTime")), moment(c.get("lastTransitionTime"))
        w.line(
            1, f"{c['type']} \t{c.get('status')} \t{heard} \t{changed} \t{c.get('reason', '')} \t{c.get('message', '')}"
        )


def _amounts(pod: Object, group: str) -> dict[str, int]:
    """Requests or limits of a pod in billionths: the sum of its containers, or its greediest init container."""
    total: dict[str, int] = {}
    spec = pod.get("spec") or {}
    init = spec.get("initContainers") or ()
    for container in [*(spec.get("containers") or ()), *(c for c in init if c.get("restartPolicy") == "Always")]:
        for name, value in _of(container, group):
            total[name] = total.get(name, 0) + value
    for container in init:
        for name, value in _of(container, group):
            total[name] = max(total.get(name, 0), value)
    return total


def _of(container: Object, group: str) -> Iterable[tuple[str, int]]:
    for name, value in ((container.get("resources") or {}).get(group) or {}).items():
        yield name, quantity.parse_quantity(str(value)).nanos


def _shown(name: str, nanos: int, samples: Sequence[Any]) -> str:
    """An amount as the first written one of its kind would be written."""
    if not nanos:
        return "0"
    if name == "cpu":
        return f"{nanos // NANO}" if nanos % NANO == 0 else f"{-(-nanos // 10**6)}m"
    whole = nanos // NANO
    suffixes = ["Ti", "Gi", "Mi", "Ki"] if any(str(s).endswith("i") for s in samples) else ["T", "G", "M", "k"]
    base = 1024 if suffixes[0] == "Ti" else 1000
    for power, suffix in zip((4, 3, 2, 1), suffixes, strict=True):
        if whole % base**power == 0:
            return f"{whole // base**power}{suffix}"
    return str(whole)


def _percent(nanos: int, available: Any) -> int:
    total = quantity.parse_quantity(str(available)).nanos if available else 0
    return int(nanos * 100 / total) if total else 0


def _pods(w: Writer, pods: list[Object], allocatable: Object) -> None:
    w.line(0, f"Non-terminated Pods:\t({len(pods)} in total)")
    w.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge")
    w.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---")
    totals: dict[str, dict[str, int]] = {"requests": {}, "limits": {}}
    samples = _samples(pods)
    for pod in pods:
        cells = []
        amounts = {group: _amounts(pod, group) for group in totals}
        for name in ("cpu", "memory"):
            for group in ("requests", "limits"):
                value = amounts[group].get(name, 0)
                cells.append(f"{_shown(name, value, samples)} ({_percent(value, allocatable.get(name))}%)")
        for group, sums in totals.items():
            for name, value in amounts[group].items():
                sums[name] = sums.get(name, 0) + value
        metadata = pod["metadata"]
        w.line(1, "\t".join([metadata["namespace"], metadata["name"], "", *cells, age_of(pod)]))
    w.line(0, "Allocated resources:")
    w.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)")
    w.line(1, "Resource\tRequests\tLimits")
    w.line(1, "--------\t--------\t------")
    huge = sorted(name for name in allocatable if name.startswith("hugepages-"))
    for name in ("cpu", "memory", "ephemeral-storage", *huge):
        values = [totals[group].get(name, 0) for group in ("requests", "limits")]
        cells = [f"{_shown(name, v, samples)} ({_percent(v, allocatable.get(name))}%)" for v in values]
        w.line(1, "\t".join([name, *cells]))
    known = {"cpu", "memory", "ephemeral-storage", "pods", *huge}
    for name in sorted(set(allocatable) - known):
        values = [totals[group].get(name, 0) for group in ("requests", "limits")]
        w.line(1, "\t".join([name, *(_shown(name, v, samples) for v in values)]))


def _samples(pods: list[Object]) -> list[Any]:
    """Memory amounts as people wrote them: their notation is kept in sums."""
    out: list[Any] = []
    for pod in pods:
        spec = pod.get("spec") or {}
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            for group in (container.get("resources") or {}).values():
                if isinstance(group, dict) and "memory" in group:
                    out.append(group["memory"])
    return out
