"""How this node's pods are connected now, for the guard that refuses what would break it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from podsysctl.runtime.network import PodNetwork
from podsysctl.sysctls.tuned import guard
from podsysctl.sysctls.tuned.guard import PodNetworking
from podsysctl.sysctls.tuned.plan import Plan

CNI_DIRECTORY = Path("etc/cni/net.d")
"""Where a runtime that is not ours finds its default network: the first file by name."""


def dangers_for(
    chosen: Callable[[], PodNetwork | None], attached: Callable[[], Iterable[str]], root: Path = Path("/")
) -> Callable[[Plan], Sequence[object]]:
    """The guard over the network there is at each call: `chosen` is that of a private runtime, None for another's."""
    return partial(_dangers, chosen, attached, root)


def _dangers(
    chosen: Callable[[], PodNetwork | None], attached: Callable[[], Iterable[str]], root: Path, plan: Plan
) -> Sequence[object]:
    if not plan.sysctls and not plan.requirements:
        return ()
    return guard.dangers(plan, read(chosen(), attached(), root))


def read(chosen: PodNetwork | None, attached: Iterable[str], root: Path = Path("/")) -> PodNetworking:
    """The default network, and the bridges of additional ones."""
    others = tuple(sorted(attached))
    if chosen is not None:
        return PodNetworking(chosen.bridge, others, chosen.subnet6 is not None, ("bridge",))
    plugins = _plugins(root)
    bridge = next((str(item.get("bridge") or "cni0") for item in plugins if item.get("type") == "bridge"), "")
    ipv6 = ":" in json.dumps([item.get("ipam") for item in plugins]).replace('":', "")
    return PodNetworking(bridge, others, ipv6, tuple(str(item.get("type")) for item in plugins))


def _plugins(root: Path) -> list[dict[str, Any]]:
    for file in sorted((root / CNI_DIRECTORY).glob("*.conf*")):
        try:
            document = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        found = document.get("plugins", [document]) if isinstance(document, dict) else []
        return [item for item in found if isinstance(item, dict)]
    return []
