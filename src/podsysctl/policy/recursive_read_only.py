"""Whether a read-only volume mount is one with everything mounted below it, too.

Source: kubelet 1.36 kubelet_pods.go, resolveRecursiveReadOnly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_Mount = Mapping[str, Any]


def find_problem(mount: _Mount, supported: bool) -> str | None:
    """Why a mount asks for more than it can have, in the kubelet's words; `supported` says what the runtime can do.

    >>> find_problem({"name": "v", "readOnly": True, "recursiveReadOnly": "Enabled"}, supported=False)
    'volume "v" requested recursive read-only mode, but it is not supported by the runtime'
    """
    mode = mount.get("recursiveReadOnly") or "Disabled"
    if mode == "Disabled":
        return None
    asked = f'volume "{mount.get("name")}" requested recursive read-only mode, but it is not'
    propagation = mount.get("mountPropagation") or "None"
    if not mount.get("readOnly"):
        return f"{asked} read-only"
    if propagation != "None":
        return f'{asked} compatible with propagation "{propagation}"'
    return f"{asked} supported by the runtime" if mode == "Enabled" and not supported else None


def is_recursive(mount: _Mount, supported: bool) -> bool:
    """Whether the mount is made so.

    >>> is_recursive({"name": "v", "readOnly": True, "recursiveReadOnly": "IfPossible"}, supported=False)
    False
    """
    asked = (mount.get("recursiveReadOnly") or "Disabled") != "Disabled"
    return asked and supported and find_problem(mount, supported) is None
