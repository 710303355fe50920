"""Pods for the tests of the gates: a minimal valid one, and one visible change per case."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

MINIMAL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "demo"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}

RESTRICTED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "demo"},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "i",
                "securityContext": {
                    "runAsUser": 2000,
                    "runAsGroup": 3000,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    },
}
"""A pod that every level allows, the shape of the chapter's pods."""


def pod(**spec: Any) -> dict[str, Any]:
    """The minimal pod with fields of its spec replaced."""
    out = deepcopy(MINIMAL)
    out["spec"].update(spec)
    return out


def restricted_pod(**spec: Any) -> dict[str, Any]:
    """The restricted pod with fields of its spec replaced."""
    out = deepcopy(RESTRICTED)
    out["spec"].update(spec)
    return out


def with_sysctls(target: dict[str, Any], *names: str, value: str = "1") -> dict[str, Any]:
    """The same pod with these sysctls, in this order."""
    out = deepcopy(target)
    context = out["spec"].setdefault("securityContext", {})
    context["sysctls"] = [{"name": name, "value": value} for name in names]
    return out


def container(name: str = "c", **fields: Any) -> dict[str, Any]:
    """A container; `securityContext` and other fields as given."""
    return {"name": name, "image": "i", **fields}
