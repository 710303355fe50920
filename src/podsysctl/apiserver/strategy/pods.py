"""Pods: phase and QoS class at birth, graceful deletion, what an update may not touch.

Source: Kubernetes 1.36 `pkg/registry/core/pod/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.apiserver.strategy.base import (
    Object,
    Strategy,
    bump_generation,
    keep_all_but_status,
    keep_metadata,
    set_or_drop,
)
from podsysctl.objects import names, resources

_TERMINAL = ("Succeeded", "Failed")


def prepare_create(obj: Object) -> None:
    """A new pod is Pending, of generation 1, with the QoS class of its resources."""
    obj["metadata"]["generation"] = 1
    obj["status"] = {"phase": "Pending", "qosClass": resources.qos_class(obj)}
    if (obj.get("spec") or {}).get("schedulingGates"):
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": None,
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
        obj["status"]["conditions"] = [condition]


def prepare_update(obj: Object, old: Object) -> None:
    """The spec's update never changes the status."""
    set_or_drop(obj, "status", old.get("status"))
    bump_generation(obj, old)


def prepare_status(obj: Object, old: Object) -> None:
    """A status update leaves spec, owners and deletion as they are; the QoS class is kept."""
    keep_all_but_status(obj, old)
    metadata, stored = obj["metadata"], old["metadata"]
    for key in ("deletionTimestamp", "ownerReferences"):
        set_or_drop(metadata, key, stored.get(key))
    new, before = obj.get("status"), old.get("status") or {}
    if not isinstance(new, dict):
        return
    for key in ("qosClass", "observedGeneration"):
        if not new.get(key) and before.get(key):
            new[key] = before[key]


def prepare_ephemeral(obj: Object, old: Object) -> None:
    """The ephemeralcontainers subresource changes that list only."""
    added = (obj.get("spec") or {}).get("ephemeralContainers")
    metadata = obj["metadata"]
    obj.clear()
    obj.update(old)
    obj["metadata"] = metadata
    keep_metadata(obj, old)
    obj["spec"] = dict(old.get("spec") or {})
    set_or_drop(obj["spec"], "ephemeralContainers", added)
    bump_generation(obj, old)


def grace_period_s(obj: Mapping[str, Any], requested: int | None) -> int:
    """Seconds between DELETE and the end: none for pods that nobody runs (any more)."""
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    period = requested
    if period is None:
        period = spec.get("terminationGracePeriodSeconds")
        period = 30 if period is None else int(period)
    if not spec.get("nodeName") or state.get("phase") in _TERMINAL:
        return 0
    return max(period, 1) if period < 0 else period


def warnings(obj: Object, old: Object | None) -> list[str]:
    """What upstream says of a new pod's name; updates of pods are silent."""
    if old is not None:
        return []
    problems = names.dns_label(obj["metadata"].get("name", ""))
    if not problems:
        return []
    listed = " ".join(problems)
    return [
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
        f"a DNS label is recommended: [{listed}]"
    ]


STRATEGY = Strategy(
    warnings=warnings,
    has_status=True,
    has_generation=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    grace_period_s=grace_period_s,
)
