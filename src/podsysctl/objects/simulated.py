"""How nodes without a runtime, and their pods, are known to everybody: by one key.

What such a node is stands in `node/simulated`.
"""

from __future__ import annotations

from typing import Any, Final

MARK: Final = "podsysctl.dev/simulated"
"""Annotation of pods: this one runs no process. Label of nodes."""


def is_simulated(node: dict[str, Any]) -> bool:
    """Whether nothing but a record stands behind a node."""
    return (node["metadata"].get("labels") or {}).get(MARK) == "true"
