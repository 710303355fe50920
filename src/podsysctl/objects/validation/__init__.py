"""Is an object valid? One module for each family of kinds, with upstream's rules, texts and order.

`validate` is called after defaulting, admission and `objects/strategy`; an empty list means yes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects import names
from podsysctl.objects.kinds import Kind
from podsysctl.objects.validation import (
    access,
    cluster,
    data,
    definitions,
    events,
    jobs,
    jobstatus,
    policies,
    revisions,
    services,
    workload_status,
    workloads,
)
from podsysctl.objects.validation.fields import Errors
from podsysctl.objects.validation.meta import validate_metadata, validate_metadata_update, validate_update_metadata
from podsysctl.objects.validation.pods.create import validate_pod
from podsysctl.objects.validation.pods.status import validate_status_update
from podsysctl.objects.validation.pods.update import validate_ephemeral_update, validate_pod_update

Object = dict[str, Any]
Create = Callable[[Object, Errors], None]
Update = Callable[[Object, Object, Errors], None]


def _nothing(new: Object, old: Object, errors: Errors) -> None:
    """The general rules of metadata are enough."""


_CREATE: dict[str, Create] = {
    "core/v1.Pod": validate_pod,
    "core/v1.Node": cluster.validate_node,
    "core/v1.Namespace": cluster.validate_namespace,
    "core/v1.ConfigMap": data.validate_config_map,
    "core/v1.Secret": data.validate_secret,
    "core/v1.ServiceAccount": data.validate_service_account,
    "core/v1.Service": services.validate_service,
    "core/v1.Event": events.validate_event,
    "apps/v1.Deployment": workloads.validate_deployment,
    "apps/v1.ReplicaSet": workloads.validate_replica_set,
    "apps/v1.DaemonSet": workloads.validate_daemon_set,
    "apps/v1.StatefulSet": workloads.validate_stateful_set,
    "apps/v1.ControllerRevision": revisions.validate_revision,
    "batch/v1.Job": jobs.validate_job,
    "batch/v1.CronJob": jobs.validate_cron_job,
    "coordination/v1.Lease": policies.validate_lease,
    "policy/v1.PodDisruptionBudget": policies.validate_budget,
    "scheduling/v1.PriorityClass": policies.validate_priority_class,
    "rbac/v1.Role": access.validate_role,
    "rbac/v1.ClusterRole": access.validate_cluster_role,
    "rbac/v1.RoleBinding": access.validate_role_binding,
    "rbac/v1.ClusterRoleBinding": access.validate_cluster_role_binding,
    "apiextensions/v1.CustomResourceDefinition": definitions.validate_definition,
}
_UPDATE: dict[tuple[str, str], Update] = {
    ("core/v1.Pod", ""): validate_pod_update,
    ("core/v1.Pod", "status"): validate_status_update,
    ("core/v1.Pod", "ephemeralcontainers"): validate_ephemeral_update,
    ("core/v1.Node", ""): cluster.validate_node_update,
    ("core/v1.Node", "status"): cluster.validate_node_status_update,
    ("core/v1.Namespace", ""): cluster.validate_namespace_update,
    ("core/v1.Namespace", "status"): cluster.validate_namespace_status_update,
    ("core/v1.Namespace", "finalize"): cluster.validate_namespace_finalize,
    ("core/v1.ConfigMap", ""): data.validate_config_map_update,
    ("core/v1.Secret", ""): data.validate_secret_update,
    ("core/v1.ServiceAccount", ""): data.validate_service_account_update,
    ("core/v1.Service", ""): services.validate_service_update,
    ("core/v1.Service", "status"): validate_update_metadata,
    ("core/v1.Event", ""): events.validate_event_update,
    ("apps/v1.Deployment", ""): workloads.validate_deployment_update,
    ("apps/v1.ReplicaSet", ""): workloads.validate_replica_set_update,
    ("apps/v1.DaemonSet", ""): workloads.validate_daemon_set_update,
    ("apps/v1.StatefulSet", ""): workloads.validate_stateful_set_update,
    ("apps/v1.Deployment", "status"): partial(workload_status.validate_status, "Deployment"),
    ("apps/v1.ReplicaSet", "status"): partial(workload_status.validate_status, "ReplicaSet"),
    ("apps/v1.DaemonSet", "status"): partial(workload_status.validate_status, "DaemonSet"),
    ("apps/v1.StatefulSet", "status"): partial(workload_status.validate_status, "StatefulSet"),
    ("apps/v1.ControllerRevision", ""): revisions.validate_revision_update,
    ("batch/v1.Job", ""): jobs.validate_job_update,
    ("batch/v1.Job", "status"): jobstatus.validate_job_status,
    ("batch/v1.CronJob", ""): jobs.validate_cron_job_update,
    ("batch/v1.CronJob", "status"): _nothing,
    ("coordination/v1.Lease", ""): policies.validate_lease_update,
    ("policy/v1.PodDisruptionBudget", ""): policies.validate_budget_update,
    ("policy/v1.PodDisruptionBudget", "status"): policies.validate_budget_status_update,
    ("scheduling/v1.PriorityClass", ""): policies.validate_priority_class_update,
    ("rbac/v1.Role", ""): access.validate_role_update,
    ("rbac/v1.ClusterRole", ""): access.validate_cluster_role_update,
    ("rbac/v1.RoleBinding", ""): access.validate_role_binding_update,
    ("rbac/v1.ClusterRoleBinding", ""): access.validate_cluster_role_binding_update,
    ("apiextensions/v1.CustomResourceDefinition", ""): definitions.validate_definition_update,
    ("apiextensions/v1.CustomResourceDefinition", "status"): definitions.validate_definition_status_update,
}
_STRICT_EVENT = "events/v1.Event"


def validate(kind: Kind, obj: Object, old: Object | None = None, subresource: str = "") -> list[FieldError]:
    """What is wrong with an object: a new one, or one that replaces `old` through a subresource or the main path.

    Events of events.k8s.io are handed over in the shape of core/v1, with the kind they came as.
    """
    errors: Errors = []
    meta = obj.get("metadata") or {}
    if old is None:
        _create_rule(kind)(obj, errors)
        if not errors:
            validate_metadata(meta, kind.namespaced, names.name_path_segment, errors, is_core=False)
    else:
        validate_metadata(meta, kind.namespaced, names.name_path_segment, errors, is_core=False)
        validate_metadata_update(meta, old.get("metadata") or {}, errors)
        _update_rule(kind, subresource)(obj, old, errors)
    return errors


def _create_rule(kind: Kind) -> Create:
    if kind.type_name == _STRICT_EVENT:
        return partial(events.validate_event, strict=True)
    return _CREATE.get(kind.type_name, lambda obj, errors: None)


def _update_rule(kind: Kind, subresource: str) -> Update:
    if kind.type_name == _STRICT_EVENT and not subresource:
        return partial(events.validate_event_update, strict=True)
    return _UPDATE.get((kind.type_name, subresource), _nothing)
