"""Minimal Tuned objects, nodes and pools; each test shows what it changes."""

from __future__ import annotations

from typing import Any

from podsysctl.objects import machineconfig, tuning

Object = dict[str, Any]


def tuned(name: str, *recommend: Object, profiles: dict[str, str] | None = None, **metadata: Any) -> Object:
    """A Tuned that recommends, and defines profiles from name to text."""
    listed = [{"name": key, "data": value} for key, value in (profiles or {}).items()]
    return {
        "apiVersion": tuning.TUNED.api_version,
        "kind": "Tuned",
        "metadata": {"name": name, "namespace": tuning.NAMESPACE, **metadata},
        "spec": {"profile": listed, "recommend": list(recommend)},
    }


def rule(profile: str, priority: int = 20, **more: Any) -> Object:
    """An entry of recommend."""
    return {"profile": profile, "priority": priority, **more}


def node(name: str = "n1", **labels: str) -> Object:
    """A Linux node; `__` in a label's name stands for a slash and `_` for a hyphen."""
    named = {key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", **named}},
        "spec": {},
    }


def pool(name: str, *, selects_nodes: Object | None, selects_configs: Object | None) -> Object:
    """A MachineConfigPool with these selectors."""
    spec = {"nodeSelector": selects_nodes, "machineConfigSelector": selects_configs}
    return {
        "apiVersion": machineconfig.POOL.api_version,
        "kind": "MachineConfigPool",
        "metadata": {"name": name},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def role_pool(role: str) -> Object:
    """A pool of the nodes of a role, which selects MachineConfigs of that role."""
    return pool(
        role,
        selects_nodes={"matchLabels": {f"{machineconfig.NODE_ROLE_PREFIX}{role}": ""}},
        selects_configs={"matchLabels": {machineconfig.ROLE_LABEL: role}},
    )
