"""Whether a read-only volume mount is one with everything mounted below it, too. Pure."""

from __future__ import annotations

from typing import Any

from podsysctl.node.security import ContainerConfigError


def resolve(mount: dict[str, Any], supported: bool) -> bool:
    """Decide for one volume mount and a runtime that can do it or not (kubelet_pods.go, resolveRecursiveReadOnly).

    Raises ContainerConfigError in the kubelet's words for a mount that asks for more than it can have.

    >>> resolve({"name": "v", "readOnly": True, "recursiveReadOnly": "IfPossible"}, supported=False)
    False
    """
    mode = mount.get("recursiveReadOnly") or "Disabled"
    if mode == "Disabled":
        return False
    asked = f'volume "{mount["name"]}" requested recursive read-only mode, but it is not'
    propagation = mount.get("mountPropagation") or "None"
    if not mount.get("readOnly"):
        raise ContainerConfigError(f"{asked} read-only")
    if propagation != "None":
        raise ContainerConfigError(f'{asked} compatible with propagation "{propagation}"')
    if mode == "Enabled" and not supported:
        raise ContainerConfigError(f"{asked} supported by the runtime")
    return supported
