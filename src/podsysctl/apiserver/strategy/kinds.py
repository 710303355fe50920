"""The strategy of every built-in kind, by `group/plural`; all others follow the general rules.

Sources: Kubernetes 1.36 `pkg/registry/<group>/<kind>/strategy.go`.
"""

from __future__ import annotations

from dataclasses import replace

from podsysctl.apiserver.strategy import jobs, pods
from podsysctl.apiserver.strategy.base import (
    Object,
    Strategy,
    Warn,
    bump_generation,
    keep_all_but_status,
    keep_metadata,
    set_or_drop,
)
from podsysctl.objects.kinds import Kind


def _first_generation(obj: Object, warn: Warn) -> None:
    obj["metadata"]["generation"] = 1


def _new_with_generation(obj: Object, warn: Warn) -> None:
    _first_generation(obj, warn)
    obj.pop("status", None)


def _new_without_status(obj: Object, warn: Warn) -> None:
    obj.pop("status", None)


def _spec_update(obj: Object, old: Object) -> None:
    set_or_drop(obj, "status", old.get("status"))
    bump_generation(obj, old)


def _update_without_status(obj: Object, old: Object) -> None:
    set_or_drop(obj, "status", old.get("status"))


def _status_keeps_labels(obj: Object, old: Object) -> None:
    """Workloads: their status update may not change labels either."""
    keep_all_but_status(obj, old)
    set_or_drop(obj["metadata"], "labels", old["metadata"].get("labels"))


def _status_keeps_metadata(obj: Object, old: Object) -> None:
    keep_all_but_status(obj, old)
    keep_metadata(obj, old)


def _new_namespace(obj: Object, warn: Warn) -> None:
    """Active, held by the `kubernetes` finalizer until its content is gone, and labelled with its name."""
    obj["status"] = {"phase": "Active"}
    spec = obj["spec"] = dict(obj.get("spec") or {})
    finalizers = spec.get("finalizers") or []
    spec["finalizers"] = finalizers if "kubernetes" in finalizers else [*finalizers, "kubernetes"]
    _label_namespace(obj)


def _label_namespace(obj: Object) -> None:
    labels = obj["metadata"].get("labels") or {}
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    obj["metadata"]["labels"] = labels


def _namespace_update(obj: Object, old: Object) -> None:
    set_or_drop(obj, "status", old.get("status"))
    spec = obj["spec"] = dict(obj.get("spec") or {})
    set_or_drop(spec, "finalizers", (old.get("spec") or {}).get("finalizers"))
    _label_namespace(obj)


def _node_update(obj: Object, old: Object) -> None:
    set_or_drop(obj, "status", old.get("status"))


def _crd_update(obj: Object, old: Object) -> None:
    set_or_drop(obj, "status", old.get("status"))
    bump_generation(obj, old)


_WORKLOAD = Strategy(
    has_status=True,
    has_generation=True,
    prepare_create=_new_with_generation,
    prepare_update=_spec_update,
    prepare_status=_status_keeps_labels,
)

_BY_RESOURCE: dict[str, Strategy] = {
    "/pods": pods.STRATEGY,
    "/nodes": Strategy(has_status=True, prepare_update=_node_update, prepare_status=keep_all_but_status),
    "/namespaces": Strategy(
        has_status=True,
        prepare_create=_new_namespace,
        prepare_update=_namespace_update,
        prepare_status=keep_all_but_status,
    ),
    "/services": Strategy(
        has_status=True,
        prepare_create=_new_without_status,
        prepare_update=_update_without_status,
        prepare_status=keep_all_but_status,
    ),
    "/events": Strategy(allow_create_on_update=True),
    "events.k8s.io/events": Strategy(allow_create_on_update=True),
    "coordination.k8s.io/leases": Strategy(allow_create_on_update=True, allow_unconditional_update=False),
    "apps/deployments": _WORKLOAD,
    "apps/replicasets": _WORKLOAD,
    "apps/daemonsets": _WORKLOAD,
    "apps/statefulsets": _WORKLOAD,
    "batch/jobs": replace(_WORKLOAD, prepare_create=jobs.prepare_create),
    "batch/cronjobs": _WORKLOAD,
    "policy/poddisruptionbudgets": Strategy(
        has_status=True,
        has_generation=True,
        allow_unconditional_update=False,
        prepare_create=_new_with_generation,
        prepare_update=_spec_update,
        prepare_status=keep_all_but_status,
    ),
    "rbac.authorization.k8s.io/roles": Strategy(allow_create_on_update=True),
    "rbac.authorization.k8s.io/clusterroles": Strategy(allow_create_on_update=True),
    "rbac.authorization.k8s.io/rolebindings": Strategy(allow_create_on_update=True),
    "rbac.authorization.k8s.io/clusterrolebindings": Strategy(allow_create_on_update=True),
    "scheduling.k8s.io/priorityclasses": Strategy(has_generation=True, prepare_create=_first_generation),
    "apiextensions.k8s.io/customresourcedefinitions": Strategy(
        has_status=True,
        has_generation=True,
        allow_unconditional_update=False,
        prepare_create=_new_with_generation,
        prepare_update=_crd_update,
        prepare_status=_status_keeps_metadata,
    ),
}

_GENERAL = Strategy()


def strategy_of(kind: Kind) -> Strategy:
    """The strategy of a built-in kind."""
    return _BY_RESOURCE.get(f"{kind.group}/{kind.plural}", _GENERAL)


def _custom_update_without_status(obj: Object, old: Object) -> None:
    ignored = ("metadata", "kind", "apiVersion")
    if any(obj.get(key) != old.get(key) for key in {*obj, *old} if key not in ignored):
        obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def custom_strategy(has_status: bool) -> Strategy:
    """Of a custom kind: with a status subresource it follows the usual rules, without, all fields are spec.

    Source: `apiextensions-apiserver/pkg/registry/customresource/{strategy,status_strategy}.go`.
    """
    if has_status:
        return Strategy(
            has_status=True,
            has_generation=True,
            allow_unconditional_update=False,
            prepare_create=_new_with_generation,
            prepare_update=_spec_update,
            prepare_status=_status_keeps_metadata,
        )
    return Strategy(
        has_generation=True,
        allow_unconditional_update=False,
        prepare_create=_first_generation,
        prepare_update=_custom_update_without_status,
    )
