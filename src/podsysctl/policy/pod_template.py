"""Where each workload kind keeps the pod that it will create.

Source: pod-security-admission admission/admission.go (DefaultPodSpecExtractor).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEMPLATE = ("spec", "template")
TEMPLATE_PATHS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (),
    ("", "replicationcontrollers"): _TEMPLATE,
    ("", "podtemplates"): ("template",),
    ("apps", "replicasets"): _TEMPLATE,
    ("apps", "deployments"): _TEMPLATE,
    ("apps", "statefulsets"): _TEMPLATE,
    ("apps", "daemonsets"): _TEMPLATE,
    ("batch", "jobs"): _TEMPLATE,
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}
"""Path to the pod template by (group, plural)."""

_PLURAL_BY_KIND = {
    "Pod": "pods",
    "ReplicationController": "replicationcontrollers",
    "PodTemplate": "podtemplates",
    "ReplicaSet": "replicasets",
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "CronJob": "cronjobs",
}


def template_path(obj: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The path inside a manifest at which metadata and spec of its pods stand; None for other kinds."""
    api_version = obj.get("apiVersion")
    kind = obj.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return None
    group = api_version.rpartition("/")[0]
    return TEMPLATE_PATHS.get((group, _PLURAL_BY_KIND.get(kind, "")))


def template_at(obj: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The pod template at a path; None when a workload has none."""
    current: Any = obj
    for key in path:
        current = current.get(key) if isinstance(current, Mapping) else None
    return current if isinstance(current, Mapping) else None
