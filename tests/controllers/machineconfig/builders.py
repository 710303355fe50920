"""Nodes and pools for the tests of machine configuration."""

from __future__ import annotations

from typing import Any

from podsysctl.objects import machineconfig as names

Object = dict[str, Any]

OLD, NEW = "rendered-worker-old", "rendered-worker-new"
NOW = "2026-01-02T03:04:05Z"


def node(name: str, *, desired: str = OLD, current: str = OLD, state: str = names.DONE, reason: str = "",
         ready: bool = True, cordoned: bool = False, labels: dict[str, str] | None = None, created: str = NOW,
         taints: list[Object] | None = None) -> Object:  # fmt: skip
    """A worker that runs `current` and was told to run `desired`; an empty text leaves the annotation out."""
    annotations = {
        names.CURRENT_CONFIG: current, names.DESIRED_CONFIG: desired, names.STATE: state, names.REASON: reason,
    }  # fmt: skip
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": created,
            "labels": {f"{names.NODE_ROLE_PREFIX}worker": ""} if labels is None else labels,
            "annotations": {key: value for key, value in annotations.items() if value},
        },
        "spec": {**({"unschedulable": True} if cordoned else {}), **({"taints": taints} if taints else {})},
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def pool(name: str = "worker", *, target: str = NEW, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A pool that selects the nodes of its role and should run `target`."""
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "generation": 3, "labels": labels or {}},
        "spec": {
            "machineConfigSelector": {"matchLabels": {names.ROLE_LABEL: name}},
            "nodeSelector": {"matchLabels": {f"{names.NODE_ROLE_PREFIX}{name}": ""}},
            **({"configuration": {"name": target}} if target else {}),
            **spec,
        },
    }


def role_labels(*roles: str) -> dict[str, str]:
    """The labels of a node with these roles."""
    return {f"{names.NODE_ROLE_PREFIX}{role}": "" for role in roles}


def named(objects: list[Object]) -> list[str]:
    """The names of objects, in their order."""
    return [o["metadata"]["name"] for o in objects]
