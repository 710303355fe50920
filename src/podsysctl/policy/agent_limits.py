"""What podsysctl's own node agent cannot give a pod, in the words of the events that tell of it.

The agent refuses by these rules, and `explain` knows by them that a pod would wait for ever. Nodes of other programs
have other limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VOLUMES_WITH_FILES = ("configMap", "secret", "downwardAPI", "projected")
"""Volumes whose files come from the API."""
PROJECTED = ("configMap", "secret", "downwardAPI", "serviceAccountToken")
"""What a projected volume may hold."""


def user_namespace_problem(spec: Mapping[str, Any]) -> str | None:
    """What the pod asks for and its sandbox would not have, in the kubelet's words (userns_manager.go).

    A pod that wants a user namespace of its own relies on it: its root must not be the host's.

    >>> user_namespace_problem({"hostUsers": False})
    "can't set `spec.hostUsers: false`, runtime does not support user namespaces"
    >>> user_namespace_problem({"hostUsers": True})
    """
    if spec.get("hostUsers") is not False:
        return None
    handler = spec.get("runtimeClassName") or ""
    runtime = f'RuntimeClass handler "{handler}"' if handler else "runtime"
    return f"can't set `spec.hostUsers: false`, {runtime} does not support user namespaces"


def claims_problem(spec: Mapping[str, Any]) -> str | None:
    """Why a pod with resource claims cannot start: there is no driver, and it must not run without its devices.

    >>> claims_problem({"resourceClaims": [{"name": "gpu"}]})
    "this node has no driver for the devices of the pod's resource claims: gpu"
    """
    claims = [str(claim.get("name")) for claim in spec.get("resourceClaims") or ()]
    text = f"this node has no driver for the devices of the pod's resource claims: {', '.join(claims)}"
    return text if claims else None


def volume_problem(volume: Mapping[str, Any]) -> str | None:
    """Why a volume cannot be made, whatever is in it.

    >>> volume_problem({"name": "data", "nfs": {"server": "s", "path": "/"}})
    'volume type nfs is not supported on this node'
    """
    if "hostPath" in volume:
        return None
    if "emptyDir" in volume:
        medium = (volume["emptyDir"] or {}).get("medium") or ""
        return f"emptyDir medium {medium} is not supported on this node" if medium not in ("", "Memory") else None
    if not any(kind in volume for kind in VOLUMES_WITH_FILES):
        kind = next((key for key in volume if key != "name"), "no source")
        return f"volume type {kind} is not supported on this node"
    for source in (volume.get("projected") or {}).get("sources") or ():
        if not any(kind in source for kind in PROJECTED):
            return f"projected source {', '.join(source)} is not supported"
    return None
