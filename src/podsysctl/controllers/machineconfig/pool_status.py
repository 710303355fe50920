"""A pool's counts and conditions, from its nodes.

Source: machine-config-operator pkg/controller/node/status.go. `configuration` in the status moves to the new
rendered name only when every node runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from podsysctl.controllers.machineconfig import node_state
from podsysctl.objects import machineconfig as names

Object = dict[str, Any]


def pool_status(pool: Object, nodes: Sequence[Object], now: str) -> Object:
    """The status that the pool should have. `nodes` are its own; `now` is a meta/v1 time.

    The RenderDegraded condition is kept as the renderer left it.
    """
    spec_configuration = pool["spec"].get("configuration") or {}
    target = spec_configuration.get("name", "")
    updated = [n for n in nodes if node_state.is_updated(n, target)]
    degraded = [n for n in nodes if node_state.is_degraded(n)]
    unavailable = [n for n in nodes if node_state.is_unavailable(n)]
    ready = [n for n in updated if node_state.is_ready(n)]
    old = pool.get("status") or {}
    status: Object = {
        **{key: old[key] for key in ("certExpirys", "poolSynchronizersStatus") if key in old},
        "observedGeneration": pool["metadata"].get("generation", 0),
        "machineCount": len(nodes),
        "updatedMachineCount": len(updated),
        "readyMachineCount": len(ready),
        "unavailableMachineCount": len(unavailable),
        "degradedMachineCount": len(degraded),
        "configuration": deepcopy(old.get("configuration") or {}),
        "conditions": deepcopy(old.get("conditions") or []),
    }
    all_updated = len(updated) == len(nodes) and len(ready) == len(nodes) and not unavailable
    paused = bool(pool["spec"].get("paused"))
    if all_updated and target:
        status["configuration"] = deepcopy(spec_configuration)
    conditions = status["conditions"]
    if all_updated:
        set_condition(conditions, "Updated", "True", "", f"All nodes are updated with MachineConfig {target}", now)
        set_condition(conditions, "Updating", "False", "", "", now)
    elif paused:
        set_condition(conditions, "Updated", "False", "", "", now)
        text = f"Pool is paused; will not update to MachineConfig {target}"
        set_condition(conditions, "Updating", "False", "", text, now)
    else:
        set_condition(conditions, "Updated", "False", "", "", now)
        set_condition(conditions, "Updating", "True", "", f"All nodes are updating to MachineConfig {target}", now)
    _set_degraded(conditions, degraded, now)
    return status


def _set_degraded(conditions: list[Object], degraded: list[Object], now: str) -> None:
    message = ", ".join(
        f'Node {n["metadata"]["name"]} is reporting: "{names.annotation(n, names.REASON)}"' for n in degraded
    )
    reason = f"{len(degraded)} nodes are reporting degraded status on sync" if degraded else ""
    set_condition(conditions, "NodeDegraded", "True" if degraded else "False", reason, message, now)
    render = next((c for c in conditions if c["type"] == "RenderDegraded"), None)
    render_failed = render is not None and render["status"] == "True"
    if render is None:
        set_condition(conditions, "RenderDegraded", "False", "", "", now)
    if degraded:
        set_condition(conditions, "Degraded", "True", reason, message, now)
    elif render_failed and render is not None:
        set_condition(conditions, "Degraded", "True", render.get("reason", ""), render.get("message", ""), now)
    else:
        set_condition(conditions, "Degraded", "False", "", "", now)


def set_condition(conditions: list[Object], type: str, status: str, reason: str, message: str, now: str) -> None:
    """Set one condition in place; the transition time moves only when the status does."""
    found = next((c for c in conditions if c["type"] == type), None)
    if found is None:
        found = {"type": type, "lastTransitionTime": now}
        conditions.append(found)
    elif found.get("status") != status:
        found["lastTransitionTime"] = now
    found.update(status=status, reason=reason, message=message)


def is_condition_true(obj: Object, type: str) -> bool:
    """Whether an object's status has this condition with status True."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == type and c.get("status") == "True" for c in conditions)
