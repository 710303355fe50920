"""Whether a container that must not run as root would: runAsNonRoot, in the kubelet's words.

Step in the path: after the sandbox was made, before each container; the pod waits with CreateContainerConfigError.
Source: kubelet 1.36 kuberuntime/security_context_others.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_Fields = Mapping[str, Any]


def find_problem(pod_context: _Fields, own_context: _Fields, uid: int | None, user_name: str) -> str | None:
    """Why a container may not start, given both security contexts and the user that its image names.

    >>> find_problem({"runAsNonRoot": True}, {"runAsUser": 0}, 1000, "")
    "container's runAsUser breaks non-root policy"
    """
    if not _of("runAsNonRoot", pod_context, own_context):
        return None
    chosen = _of("runAsUser", pod_context, own_context)
    if chosen is not None:
        return "container's runAsUser breaks non-root policy" if chosen == 0 else None
    if uid is None and user_name:
        named = f"container has runAsNonRoot and image has non-numeric user ({user_name})"
        return f"{named}, cannot verify user is non-root"
    return "container has runAsNonRoot and image will run as root" if uid == 0 else None


def needs_image(pod_context: _Fields, own_context: _Fields) -> bool:
    """Whether the image's user decides: the container must not run as root, and names no user."""
    must_not = bool(_of("runAsNonRoot", pod_context, own_context))
    return must_not and _of("runAsUser", pod_context, own_context) is None


def _of(field: str, pod_context: _Fields, own_context: _Fields) -> Any:
    """A field of the container, else of the pod."""
    own = own_context.get(field)
    return pod_context.get(field) if own is None else own
