"""The smallest change that lets a pod run: manifests ready to be applied, and what each change opens besides.

`find_remedies` judges the situation, asks the files of `policy/remedies/` for a fix of the first thing that stops the
pod, judges the changed situation again, and so on until the pod would run or nobody knows a fix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from podsysctl.policy.situation import Situation
from podsysctl.policy.whole import Report, evaluate

MAX_STEPS = 12
"""Most fixes in a row; a pod has fewer gates than that."""

_SERVER_METADATA = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "selfLink",
    "ownerReferences",
)
_SERVER_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "openshift.io/scc",
    "security.openshift.io/validated-scc-subject-type",
    "seccomp.security.alpha.kubernetes.io/pod",
    "k8s.v1.cni.cncf.io/network-status",
)
_TOKEN_VOLUME = "kube-api-access-"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One fix.

    `manifests` are to be applied in order, without the pod itself; `files` are (path on the node, content) for clusters
    without an operator that writes them; `opens` says what becomes possible or true besides; `situation` is what the
    cluster is like afterwards, a changed pod included.
    """

    title: str
    situation: Situation
    manifests: tuple[Mapping[str, Any], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    opens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Fixes in order. `pod` is the pod to create afterwards, None when it is right as it is; `runs` whether it does."""

    remedies: tuple[Remedy, ...]
    pod: Mapping[str, Any] | None
    runs: bool

    @property
    def manifests(self) -> tuple[Mapping[str, Any], ...]:
        """Everything to apply, in order, the changed pod last; of several versions of one object the last."""
        listed = [manifest for remedy in self.remedies for manifest in remedy.manifests]
        by_key = {_identity(manifest): manifest for manifest in listed}
        return (*by_key.values(), self.pod) if self.pod is not None else tuple(by_key.values())


Proposer = Callable[[Situation, Report], Remedy | None]


def find_remedies(situation: Situation, proposers: tuple[Proposer, ...]) -> Plan:
    """The fixes that make the pod run, as far as somebody knows one."""
    found: list[Remedy] = []
    current = situation
    for _ in range(MAX_STEPS):
        report = evaluate(current)
        if report.runs:
            break
        remedy = next((r for propose in proposers if (r := propose(current, report)) is not None), None)
        if remedy is None:
            break
        found.append(remedy)
        current = remedy.situation
    changed = current.pod is not situation.pod
    pod = new_pod(current.pod) if changed else None
    return Plan(tuple(found), pod, evaluate(current).runs)


def with_pod(situation: Situation, change: Callable[[dict[str, Any]], None]) -> Situation:
    """The situation with a changed copy of the pod."""
    pod = deepcopy(dict(situation.pod))
    change(pod)
    return replace(situation, pod=pod)


def without_sysctls(situation: Situation, names: frozenset[str]) -> Situation:
    """The situation with sysctls taken out of the pod; names as written."""

    def change(pod: dict[str, Any]) -> None:
        context = pod["spec"]["securityContext"]
        kept = [entry for entry in context["sysctls"] if (entry.get("name") or "") not in names]
        if kept:
            context["sysctls"] = kept
            return
        del context["sysctls"]
        if not context:
            del pod["spec"]["securityContext"]

    return with_pod(situation, change)


def new_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest that creates the pod anew: without what the server and its admission added."""
    out = deepcopy(dict(pod))
    out.pop("status", None)
    out = {"apiVersion": "v1", "kind": "Pod", **out}
    metadata = out.get("metadata") or {}
    for key in _SERVER_METADATA:
        metadata.pop(key, None)
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in _SERVER_ANNOTATIONS}
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    spec = out.get("spec") or {}
    if metadata.get("name") and "nodeName" in spec and pod.get("status"):
        del spec["nodeName"]
    volumes = [v for v in spec.get("volumes") or () if not (v.get("name") or "").startswith(_TOKEN_VOLUME)]
    if volumes:
        spec["volumes"] = volumes
    else:
        spec.pop("volumes", None)
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            mounts = [m for m in container.get("volumeMounts") or () if not m["name"].startswith(_TOKEN_VOLUME)]
            if mounts:
                container["volumeMounts"] = mounts
            else:
                container.pop("volumeMounts", None)
    return out


def _identity(manifest: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = manifest.get("metadata") or {}
    return manifest.get("kind") or "", metadata.get("namespace") or "", metadata.get("name") or ""
