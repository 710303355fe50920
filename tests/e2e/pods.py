"""Manifests of the end-to-end tests: a minimal pod and one visible change per case."""

from __future__ import annotations

import json
from typing import Any

IMAGE = "localhost/podsysctl/toolbox"


def pod(name: str, *, command: list[str] | None = None, sysctls: dict[str, str] | None = None,
        **spec: Any) -> dict[str, Any]:  # fmt: skip
    """A pod with one container that sleeps; `spec` replaces or adds fields of the pod's spec."""
    security = {"sysctls": [{"name": n, "value": v} for n, v in sysctls.items()]} if sysctls else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "c",
                    "image": IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "command": command or ["sleep", "infinity"],
                }
            ],
            "securityContext": security,
            **spec,
        },
    }


def manifest(*objects: dict[str, Any]) -> str:
    """What `kubectl apply -f -` reads: the object, or a List of several."""
    if len(objects) == 1:
        return json.dumps(objects[0])
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
