"""Which fields of each built-in kind a field selector may name, and how they are read.

Sources: Kubernetes 1.36 `pkg/apis/core/v1/conversion.go` and the kinds' `ToSelectableFields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podsysctl.objects.selectors import object_field

FieldReader = Callable[[Mapping[str, Any]], str]


def path_reader(path: str, absent: str = "") -> FieldReader:
    """Reads a dotted path; `absent` stands for a field that is not there."""

    def read(obj: Mapping[str, Any]) -> str:
        return object_field(obj, path) or absent

    return read


def _pod_ips(obj: Mapping[str, Any]) -> str:
    ips = (obj.get("status") or {}).get("podIPs") or [{}]
    return str(ips[0].get("ip", ""))


def _event_source(obj: Mapping[str, Any]) -> str:
    return object_field(obj, "source.component") or object_field(obj, "reportingComponent")


def _paths(*paths: str) -> dict[str, FieldReader]:
    return {path: path_reader(path) for path in paths}


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

_CORE_EVENT = {
    **_paths(*(f"involvedObject.{name}" for name in _INVOLVED), "reason", "reportingComponent", "type"),
    "source": _event_source,
}

_READERS: dict[str, Mapping[str, FieldReader]] = {
    "/pods": {
        **_paths(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
        "spec.hostNetwork": path_reader("spec.hostNetwork", "false"),
        "status.podIPs": _pod_ips,
    },
    "/nodes": {"spec.unschedulable": path_reader("spec.unschedulable", "false")},
    "/namespaces": _paths("status.phase"),
    "/secrets": _paths("type"),
    "/services": _paths("spec.clusterIP", "spec.type"),
    "/events": _CORE_EVENT,
    "events.k8s.io/events": {
        **{f"regarding.{name}": path_reader(f"involvedObject.{name}") for name in _INVOLVED},
        **_paths("reason", "type"),
        "reportingController": path_reader("reportingComponent"),
    },
    "apps/replicasets": {"status.replicas": path_reader("status.replicas", "0")},
    "batch/jobs": {"status.successful": path_reader("status.succeeded", "0")},
}


def readers(type_key: str) -> Mapping[str, FieldReader]:
    """Readers by field label, for `group/plural`."""
    return _READERS.get(type_key, {})
