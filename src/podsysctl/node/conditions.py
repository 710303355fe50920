"""The pod conditions a node agent owns, in Kubernetes' words. Pure (pkg/kubelet/status/generate.go)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podsysctl.node import pod as pods

Condition = dict[str, Any]

READY_TO_START = "PodReadyToStartContainers"
INITIALIZED = "Initialized"
READY = "Ready"
CONTAINERS_READY = "ContainersReady"
SCHEDULED = "PodScheduled"
SYSCTLS_VERIFIED = "SysctlsVerified"
"""Ours: whether every declared sysctl was read back with the declared value inside the sandbox."""

OWNED = frozenset({READY_TO_START, INITIALIZED, READY, CONTAINERS_READY, SCHEDULED, SYSCTLS_VERIFIED})
"""Conditions this agent writes and removes; all others belong to someone else and are kept."""


def build(
    pod: pods.Pod,
    statuses: list[dict[str, Any]],
    phase: str,
    *,
    sandbox_ready: bool,
    foreign: Iterable[Condition],
    verified: Condition | None,
) -> list[Condition]:
    """All conditions of a pod in the kubelet's order, foreign ones first.

    `statuses` holds init container statuses, then regular ones. `verified` is the read-back's condition, if any.
    """
    out = [dict(condition) for condition in foreign]
    out.append(_condition(READY_TO_START, sandbox_ready))
    out.append(_initialized(pod, statuses, phase))
    containers_ready = _containers_ready(pod, statuses, phase)
    out.append(_ready(pod, containers_ready, out))
    out.append(containers_ready)
    out.append(_condition(SCHEDULED, True))
    if verified is not None:
        out.append(dict(verified))
    return out


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Condition:
    out: Condition = {"type": kind, "status": "True" if holds else "False"}
    if reason:
        out["reason"] = reason
    if message:
        out["message"] = message
    return out


def _names(names: list[str]) -> str:
    """A list as Go prints it with %s: [a b]."""
    return "[" + " ".join(names) + "]"


def _containers_ready(pod: pods.Pod, statuses: list[dict[str, Any]], phase: str) -> Condition:
    if not statuses:
        return _condition(CONTAINERS_READY, False, "UnknownContainerStatuses")
    by_name = {s["name"]: s for s in statuses}
    wanted = [c["name"] for c in pods.init_containers(pod) if pods.is_restartable_init(c)]
    wanted += [c["name"] for c in pods.containers(pod)]
    unknown = [name for name in wanted if name not in by_name]
    unready = [name for name in wanted if name in by_name and not by_name[name]["ready"]]
    if phase == "Succeeded" and not unknown:
        return _condition(CONTAINERS_READY, False, "PodCompleted")
    if phase == "Failed":
        return _condition(CONTAINERS_READY, False, "PodFailed")
    messages = []
    if unknown:
        messages.append(f"containers with unknown status: {_names(unknown)}")
    if unready:
        messages.append(f"containers with unready status: {_names(unready)}")
    if messages:
        return _condition(CONTAINERS_READY, False, "ContainersNotReady", ", ".join(messages))
    return _condition(CONTAINERS_READY, True)


def _ready(pod: pods.Pod, containers_ready: Condition, known: list[Condition]) -> Condition:
    if containers_ready["status"] != "True":
        return {**containers_ready, "type": READY}
    messages = []
    by_type = {c["type"]: c for c in known}
    for gate in pods.spec(pod).get("readinessGates") or ():
        kind = gate["conditionType"]
        condition = by_type.get(kind)
        if condition is None:
            messages.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif condition["status"] != "True":
            status = condition["status"]
            messages.append(f'the status of pod readiness gate "{kind}" is not "True", but {status}')
    if messages:
        return _condition(READY, False, "ReadinessGatesNotReady", ", ".join(messages))
    return _condition(READY, True)


def _initialized(pod: pods.Pod, statuses: list[dict[str, Any]], phase: str) -> Condition:
    declared = pods.init_containers(pod)
    if not statuses and declared:
        return _condition(INITIALIZED, False, "UnknownContainerStatuses")
    by_name = {s["name"]: s for s in statuses}
    unknown = [c["name"] for c in declared if c["name"] not in by_name]
    incomplete = []
    for container in declared:
        status = by_name.get(container["name"])
        if status is None:
            continue
        done = status.get("started") if pods.is_restartable_init(container) else status["ready"]
        if not done:
            incomplete.append(container["name"])
    if phase == "Succeeded" and not unknown:
        return _condition(INITIALIZED, True, "PodCompleted")
    if any_regular_started(pod, statuses):
        return _condition(INITIALIZED, True)
    messages = []
    if unknown:
        messages.append(f"containers with unknown status: {_names(unknown)}")
    if incomplete:
        messages.append(f"containers with incomplete status: {_names(incomplete)}")
    if messages:
        return _condition(INITIALIZED, False, "ContainersNotInitialized", ", ".join(messages))
    return _condition(INITIALIZED, True)


def any_regular_started(pod: pods.Pod, statuses: list[dict[str, Any]]) -> bool:
    """Whether any regular container runs or has run."""
    names = {c["name"] for c in pods.containers(pod)}
    return any(
        s["name"] in names
        and ("running" in s["state"] or "terminated" in s["state"] or "terminated" in (s.get("lastState") or {}))
        for s in statuses
    )


def with_times(
    conditions: list[Condition], previous: Iterable[Condition], now: str, generation: int
) -> list[Condition]:
    """Fill in times and the observed generation; a condition whose status is unchanged keeps its transition time."""
    old = {c["type"]: c for c in previous}
    out = []
    for condition in conditions:
        kind = condition["type"]
        if kind not in OWNED:
            out.append(condition)
            continue
        before = old.get(kind)
        moved = before is None or before["status"] != condition["status"]
        changed_at = now if moved or before is None else before.get("lastTransitionTime") or now
        full: Condition = {"type": kind}
        if generation:
            full["observedGeneration"] = generation
        full |= {"status": condition["status"], "lastProbeTime": None, "lastTransitionTime": changed_at}
        full |= {key: condition[key] for key in ("reason", "message") if condition.get(key)}
        out.append(full)
    return out
