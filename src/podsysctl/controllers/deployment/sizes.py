"""How many pods each ReplicaSet of a Deployment may have: the arithmetic of a rolling update.

Source: Kubernetes 1.36 `pkg/controller/deployment/util/deployment_util.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from podsysctl.controllers.scope import Object, annotations_of


def replicas(obj: Object) -> int:
    """`spec.replicas` of a Deployment or ReplicaSet."""
    value = obj["spec"].get("replicas")
    return 1 if value is None else int(value)


def counted(sets: Iterable[Object], field: str) -> int:
    """The sum of a field of the ReplicaSets' statuses."""
    return sum(int((entry.get("status") or {}).get(field) or 0) for entry in sets)


def total(sets: Iterable[Object]) -> int:
    """The sum of what the ReplicaSets are asked for."""
    return sum(replicas(entry) for entry in sets)


def is_rolling(deployment: Object) -> bool:
    """Whether it updates by rolling, which is the default."""
    return ((deployment["spec"].get("strategy") or {}).get("type") or "RollingUpdate") == "RollingUpdate"


def scaled_value(value: Any, whole: int, *, round_up: bool) -> int:
    """A count given as number or percentage of a whole."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * whole
        return -(-share // 100) if round_up else share // 100
    return int(value or 0)


def fenceposts(deployment: Object) -> tuple[int, int]:
    """Pods above and below the wanted number during an update; never both 0."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    desired = replicas(deployment)
    surge = scaled_value(rolling.get("maxSurge", "25%"), desired, round_up=True)
    unavailable = scaled_value(rolling.get("maxUnavailable", "25%"), desired, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


def max_surge(deployment: Object) -> int:
    """Pods above the wanted number."""
    return fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    """Pods below the wanted number."""
    desired = replicas(deployment)
    if not is_rolling(deployment) or desired == 0:
        return 0
    return min(fenceposts(deployment)[1], desired)


def new_size(deployment: Object, sets: Sequence[Object], new: Object) -> int:
    """What the new ReplicaSet may have, given all of them."""
    desired = replicas(deployment)
    if not is_rolling(deployment):
        return desired
    current, most = total(sets), desired + max_surge(deployment)
    if current >= most:
        return replicas(new)
    return replicas(new) + min(most - current, desired - replicas(new))


def proportional(deployment: Object, active: Sequence[Object]) -> dict[str, int]:
    """New sizes by name after a scaling in the middle of an update: each gets its share."""
    desired = replicas(deployment)
    allowed = desired + max_surge(deployment) if desired > 0 else 0
    to_add = allowed - total(active)
    newer_first = to_add > 0
    ordered = sorted(active, key=lambda s: s["metadata"].get("creationTimestamp", ""), reverse=newer_first)
    ordered.sort(key=replicas, reverse=True)
    out: dict[str, int] = {}
    added = 0
    for entry in ordered:
        share = 0
        if to_add and added != to_add and replicas(entry):
            fraction, rest = _fraction(deployment, entry), to_add - added
            share = min(fraction, rest) if to_add > 0 else max(fraction, rest)
        out[entry["metadata"]["name"]] = replicas(entry) + share
        added += share
    if ordered and to_add:
        first = ordered[0]["metadata"]["name"]
        out[first] = max(0, out[first] + to_add - added)
    return out


def _fraction(deployment: Object, entry: Object) -> int:
    if replicas(deployment) == 0:
        return -replicas(entry)
    text = annotations_of(entry).get("deployment.kubernetes.io/max-replicas", "")
    before = int(text) if text.isascii() and text.isdigit() else 0
    before = before or int((deployment.get("status") or {}).get("replicas") or 0)
    if not before:
        return 0
    size = replicas(entry) * (replicas(deployment) + max_surge(deployment)) / before
    return int(size + 0.5) - replicas(entry)
