"""In which order constraints are tried: by priority, then by how much they permit, then by name.

Source: apiserver-library-go pkg/securitycontextconstraints/util/sort.
"""

from __future__ import annotations

from collections.abc import Iterable

from podsysctl.policy.scc.constraint import Constraint

_PRIVILEGED, _HOST_PORTS, _HOST_NETWORK, _HOST_VOLUME, _OTHER_VOLUME = 1_600_000, 800_000, 400_000, 200_000, 100_000
_STRATEGY_POINTS = {"RunAsAny": 40_000, "MustRunAsNonRoot": 30_000, "MustRunAsRange": 20_000, "MustRunAs": 10_000}
_TRIVIAL_VOLUMES = frozenset({"secret", "configMap", "emptyDir", "downwardAPI", "projected", "none"})
_CAPABILITY_POINTS_MAX = 9999


def sort_constraints(constraints: Iterable[Constraint]) -> list[Constraint]:
    """The order of evaluation: the first that fits wins."""
    return sorted(constraints, key=lambda c: (-c.priority, score(c), c.name))


def score(constraint: Constraint) -> int:
    """How much a constraint permits; the lower, the more restrictive."""
    points = _PRIVILEGED if constraint.allows("allowPrivilegedContainer") else 0
    points += _volume_points(constraint)
    points += _HOST_NETWORK if constraint.allows("allowHostNetwork") else 0
    points += _HOST_PORTS if constraint.allows("allowHostPorts") else 0
    points += _capability_points(constraint)
    for field in ("seLinuxContext", "runAsUser"):
        points += _STRATEGY_POINTS.get(constraint.strategy_type(field), 0)
    return points


def _volume_points(constraint: Constraint) -> int:
    volumes = set(constraint.strings("volumes"))
    if volumes & {"hostPath", "*"}:
        return _HOST_VOLUME
    return _OTHER_VOLUME if volumes - _TRIVIAL_VOLUMES else 0


def _capability_points(constraint: Constraint) -> int:
    allowed = constraint.strings("allowedCapabilities")
    dropped = constraint.strings("requiredDropCapabilities")
    points = 5000 + 300 * len(constraint.strings("defaultAddCapabilities"))
    points += 4000 if {c.upper() for c in allowed} & {"*", "ALL"} else 10 * len(allowed)
    points += -3000 if "ALL" in {c.upper() for c in dropped} else -50 * len(dropped)
    return min(max(points, 0), _CAPABILITY_POINTS_MAX)


def preference_reason(chosen: Constraint, other: Constraint) -> str:
    """Why `chosen` comes before `other`, in upstream's words; it stands in an audit annotation."""
    if chosen.priority != other.priority:
        return "has higher priority" if chosen.priority > other.priority else "has lower priority"
    low, high = score(chosen), score(other)
    if low == high:
        return "ordered by name"
    return _more_restrictive_reason(min(low, high), max(low, high))


def _more_restrictive_reason(low: int, high: int) -> str:
    for weight, what in (
        (_PRIVILEGED, "privileged"),
        (_HOST_PORTS, "host ports"),
        (_HOST_NETWORK, "host networking"),
        (_HOST_VOLUME, "host volume mounts"),
        (_OTHER_VOLUME, "non-trivial volume mounts"),
    ):
        if low < weight <= high:
            return f"forbids {what}"
        low, high = (low - weight, high - weight) if low >= weight and high >= weight else (low, high)
    if low // 10_000 < high // 10_000:
        return "permits less runAs strategies"
    return "permits less capabilities" if low % 10_000 < high % 10_000 else "is equally restrictive"
