"""Which printer shows which resource."""

from __future__ import annotations

from podsysctl.apiserver.resource import Resource
from podsysctl.apiserver.tables import core, default, others, pods, workloads
from podsysctl.apiserver.tables.base import Printer
from podsysctl.apiserver.tables.events import EVENTS_V1

_RBAC = "rbac.authorization.k8s.io"

_PRINTERS: dict[str, Printer] = {
    "/pods": pods.PRINTER,
    "/nodes": core.NODE,
    "/namespaces": core.NAMESPACE,
    "/events": core.EVENT,
    "events.k8s.io/events": EVENTS_V1,
    "/configmaps": core.CONFIG_MAP,
    "/secrets": core.SECRET,
    "/serviceaccounts": core.SERVICE_ACCOUNT,
    "/services": core.SERVICE,
    "apps/deployments": workloads.DEPLOYMENT,
    "apps/replicasets": workloads.REPLICA_SET,
    "apps/daemonsets": workloads.DAEMON_SET,
    "apps/statefulsets": workloads.STATEFUL_SET,
    "apps/controllerrevisions": workloads.REVISION,
    "batch/jobs": workloads.JOB,
    "batch/cronjobs": workloads.CRON_JOB,
    "policy/poddisruptionbudgets": others.BUDGET,
    "coordination.k8s.io/leases": others.LEASE,
    "scheduling.k8s.io/priorityclasses": others.PRIORITY_CLASS,
    f"{_RBAC}/rolebindings": others.BINDING,
    f"{_RBAC}/clusterrolebindings": others.BINDING,
}


def printer_of(resource: Resource) -> Printer:
    """The printer of a resource, built-in or custom."""
    if resource.printer is not None:
        return resource.printer
    return _PRINTERS.get(resource.type_key, default.PRINTER)
