"""What the API server fills in before admission: one function per kind, in upstream's order and with its values.

`apply_defaults` changes the object in place. Fields that admission sets (service account, tolerations) and what
creation resets (status, generation) are decided elsewhere: apiserver/admission and objects/strategy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podsysctl.objects.defaults import core, definitions, pods, workloads
from podsysctl.objects.kinds import Kind

_DEFAULTERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "core/v1.Pod": pods.default_pod,
    "core/v1.Node": core.default_node,
    "core/v1.Namespace": core.default_namespace,
    "core/v1.Secret": core.default_secret,
    "core/v1.Service": core.default_service,
    "apps/v1.Deployment": workloads.default_deployment,
    "apps/v1.ReplicaSet": workloads.default_replica_set,
    "apps/v1.DaemonSet": workloads.default_daemon_set,
    "apps/v1.StatefulSet": workloads.default_stateful_set,
    "batch/v1.Job": workloads.default_job,
    "batch/v1.CronJob": workloads.default_cron_job,
    "rbac/v1.RoleBinding": core.default_role_binding,
    "rbac/v1.ClusterRoleBinding": core.default_role_binding,
    "scheduling/v1.PriorityClass": core.default_priority_class,
    "authentication/v1.TokenRequest": core.default_token_request,
    "apiextensions/v1.CustomResourceDefinition": definitions.default_definition,
}


def apply_defaults(kind: Kind, obj: dict[str, Any]) -> None:
    """Fill in the defaults of a built-in kind, in place; kinds without defaults and custom ones stay as they are."""
    defaulter = _DEFAULTERS.get(kind.type_name)
    if defaulter is not None:
        defaulter(obj)
