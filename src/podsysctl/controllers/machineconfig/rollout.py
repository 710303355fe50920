"""Which nodes of a pool may be moved to its new configuration now.

Source: machine-config-operator pkg/controller/node/node_controller.go (getAllCandidateMachines, maxUnavailable).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from podsysctl.controllers.machineconfig import node_state
from podsysctl.objects import machineconfig as names

Object = dict[str, Any]
PERCENT = re.compile(r"(-?\d{1,9})%", re.ASCII)
ZONE_LABEL = "topology.kubernetes.io/zone"


def max_unavailable(pool: Object, total: int) -> int:
    """How many nodes may be out at once: a number, or a percentage rounded down; at least one.

    >>> max_unavailable({"spec": {"maxUnavailable": "25%"}}, 10)
    2
    >>> max_unavailable({"spec": {}}, 10)
    1

    Raises machineconfig.RolloutError for a text that is neither: the pool then stands still, as upstream's does.
    """
    wanted = pool["spec"].get("maxUnavailable")
    if wanted is None:
        return 1
    if isinstance(wanted, int):
        return max(1, wanted)
    found = PERCENT.fullmatch(str(wanted))
    if found is None:
        raise names.RolloutError(
            f"invalid value for IntOrString: invalid type: string is not a percentage: {wanted!r}",
            hint='write a number, or a percentage such as "10%"',
        )
    return max(1, total * int(found[1]) // 100)


def candidates(pool: Object, nodes: Sequence[Object]) -> list[Object]:
    """The nodes to target next, in order; empty while the pool is paused or its budget is used up.

    `nodes` are the pool's own. A node that was never told a configuration is told at once: it runs none that
    could be disturbed. Nodes are taken by zone (those without one last), then oldest first. A node that
    a person cordoned is passed over and counts against the budget, as does every node that is not ready.
    """
    target = (pool["spec"].get("configuration") or {}).get("name", "")
    if not target or pool["spec"].get("paused"):
        return []
    capacity = max_unavailable(pool, len(nodes))
    fresh, waiting = [], []
    for node in nodes:
        if not names.annotation(node, names.DESIRED_CONFIG):
            fresh.append(node)
        elif names.annotation(node, names.DESIRED_CONFIG) == target:
            if node_state.is_unavailable(node) or node_state.is_degraded(node):
                capacity -= 1
        elif node_state.is_unavailable(node):
            capacity -= 1
        else:
            waiting.append(node)
    return fresh + sorted(waiting, key=order)[: max(0, capacity)]


def stale_taint_nodes(pool: Object, nodes: Sequence[Object]) -> tuple[list[Object], list[Object]]:
    """Nodes that lack the UpdateInProgress taint and should have it, and nodes that have it no longer rightly."""
    target = (pool["spec"].get("configuration") or {}).get("name", "")
    lacking, keeping = [], []
    for node in nodes:
        tainted = any(t.get("key") == names.UPDATE_TAINT["key"] for t in node["spec"].get("taints") or ())
        behind = bool(target) and names.annotation(node, names.DESIRED_CONFIG) != target
        if behind and not tainted and not pool["spec"].get("paused"):
            lacking.append(node)
        elif tainted and not behind:
            keeping.append(node)
    return lacking, keeping


def order(node: Object) -> tuple[bool, str, str, str]:
    """Sorting key of nodes: by zone, those without one last, then oldest first, then by name."""
    metadata = node["metadata"]
    zone = (metadata.get("labels") or {}).get(ZONE_LABEL, "")
    return (not zone, zone, str(metadata.get("creationTimestamp", "")), str(metadata["name"]))
