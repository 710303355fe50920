"""What happens to an object between admission and the store, kind by kind: prepare, validate, warn.

`before_create` and `before_update` are the two doors; they change the object in place and raise StatusError 422
with every error in upstream's order. Their parts are public too, for a server that does something in between.
Source: apiserver registry/rest create.go and update.go, pkg/registry/<group>/<kind>/strategy.go, 1.36.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from podsysctl.objects import status
from podsysctl.objects.kinds import Kind
from podsysctl.objects.strategy import others, pods, workloads
from podsysctl.objects.validation import validate
from podsysctl.objects.warnings import pod_warnings

Object = dict[str, Any]
Warn = Callable[[str], None]

_WORKLOADS = {
    "apps/v1.Deployment": "Deployment",
    "apps/v1.ReplicaSet": "ReplicaSet",
    "apps/v1.DaemonSet": "DaemonSet",
    "apps/v1.StatefulSet": "StatefulSet",
    "batch/v1.Job": "Job",
    "batch/v1.CronJob": "CronJob",
}
_PREPARE_CREATE: dict[str, Callable[[Object], None]] = {
    "core/v1.Node": others.prepare_node,
    "core/v1.Namespace": others.prepare_namespace,
    "core/v1.ServiceAccount": others.prepare_service_account,
    "core/v1.Service": partial(others.reset_status, "core/v1.ServiceStatus"),
    "coordination/v1.Lease": others.prepare_lease,
    "policy/v1.PodDisruptionBudget": others.prepare_budget,
    "scheduling/v1.PriorityClass": others.first_generation,
    "apiextensions/v1.CustomResourceDefinition": others.prepare_definition,
    **{name: partial(workloads.prepare_create, kind) for name, kind in _WORKLOADS.items()},
}
_PREPARE_UPDATE: dict[tuple[str, str], Callable[[Object, Object], None]] = {
    ("core/v1.Pod", ""): pods.prepare_update,
    ("core/v1.Pod", "status"): pods.prepare_status_update,
    ("core/v1.Pod", "ephemeralcontainers"): pods.prepare_ephemeral_update,
    ("core/v1.Node", ""): others.prepare_node_update,
    ("core/v1.Node", "status"): others.prepare_node_status,
    ("core/v1.Namespace", ""): others.prepare_namespace_update,
    ("core/v1.Namespace", "status"): others.prepare_namespace_status,
    ("core/v1.Namespace", "finalize"): others.prepare_namespace_finalize,
    ("core/v1.Secret", ""): others.prepare_secret_update,
    ("core/v1.ServiceAccount", ""): lambda obj, old: others.prepare_service_account(obj),
    ("core/v1.Service", ""): others.keep_status,
    ("core/v1.Service", "status"): others.keep_spec,
    ("coordination/v1.Lease", ""): others.prepare_lease,
    ("policy/v1.PodDisruptionBudget", ""): others.prepare_budget_update,
    ("policy/v1.PodDisruptionBudget", "status"): others.keep_spec,
    ("apiextensions/v1.CustomResourceDefinition", ""): others.prepare_definition_update,
    ("apiextensions/v1.CustomResourceDefinition", "status"): others.keep_spec,
    **{(name, ""): partial(workloads.prepare_update, kind) for name, kind in _WORKLOADS.items()},
    **{(name, "status"): partial(workloads.prepare_status_update, kind) for name, kind in _WORKLOADS.items()},
}


def before_create(kind: Kind, obj: Object, warn: Warn) -> None:
    """Make a new object ready for the store. Raises StatusError 422.

    Name, namespace, uid and creation time must be set; `warn` takes sentences for the client.
    """
    prepare_create(kind, obj, warn)
    errors = validate(kind, obj)
    if errors:
        raise status.invalid(kind, obj["metadata"].get("name") or "", errors)
    for text in create_warnings(kind, obj):
        warn(text)


def before_update(kind: Kind, obj: Object, old: Object, subresource: str, warn: Warn) -> None:
    """Make a changed object ready for the store. Raises StatusError 422."""
    prepare_update(kind, obj, old, subresource)
    errors = validate(kind, obj, old, subresource)
    if errors:
        raise status.invalid(kind, obj["metadata"].get("name") or "", errors)
    for text in update_warnings(kind, obj, old, subresource):
        warn(text)


def prepare_create(kind: Kind, obj: Object, warn: Warn) -> None:
    """What the server sets in a new object and takes out of it; name and uid must be set."""
    if kind.type_name == "core/v1.Pod":
        pods.prepare_create(obj, warn)
        return
    prepare = _PREPARE_CREATE.get(kind.type_name)
    if prepare is not None:
        prepare(obj)


def prepare_update(kind: Kind, obj: Object, old: Object, subresource: str) -> None:
    """What the server sets in a changed object and takes out of it, with the metadata that no update changes."""
    meta, old_meta = obj["metadata"], old["metadata"]
    meta.pop("generation", None)
    if old_meta.get("generation"):
        meta["generation"] = old_meta["generation"]
    prepare = _PREPARE_UPDATE.get((kind.type_name, subresource))
    if prepare is not None:
        prepare(obj, old)
    if not meta.get("uid") and old_meta.get("uid"):
        meta["uid"] = old_meta["uid"]
    for key in ("creationTimestamp", "deletionTimestamp"):
        if old_meta.get(key):
            meta[key] = old_meta[key]
    if old_meta.get("deletionGracePeriodSeconds") is not None:
        meta.setdefault("deletionGracePeriodSeconds", old_meta["deletionGracePeriodSeconds"])


def create_warnings(kind: Kind, obj: Object) -> list[str]:
    """What a client hears about a new, valid object."""
    if kind.type_name == "core/v1.Pod":
        return pod_warnings(obj)
    if kind.type_name in _WORKLOADS:
        return workloads.create_warnings(_WORKLOADS[kind.type_name], obj)
    if kind.type_name == "core/v1.Node":
        return others.node_warnings(obj)
    if kind.type_name == "core/v1.ServiceAccount":
        return others.service_account_warnings(obj, None)
    return []


def update_warnings(kind: Kind, obj: Object, old: Object, subresource: str) -> list[str]:
    """What a client hears about a changed, valid object."""
    if subresource:
        return []
    if kind.type_name in _WORKLOADS:
        return workloads.update_warnings(_WORKLOADS[kind.type_name], obj, old)
    if kind.type_name == "core/v1.Node":
        return others.node_warnings(obj)
    if kind.type_name == "core/v1.ServiceAccount":
        return others.service_account_warnings(obj, old)
    return []
