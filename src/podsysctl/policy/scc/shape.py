"""Whether an object that nobody has checked has the types of a constraint, so that its rules can be read.

The API server refuses others by their schema; files that `check` and `explain` read have met none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podsysctl.policy.scc.constraint import FLAGS

_LISTS = (
    "defaultAddCapabilities",
    "requiredDropCapabilities",
    "allowedCapabilities",
    "volumes",
    "users",
    "groups",
    "seccompProfiles",
    "allowedUnsafeSysctls",
    "forbiddenSysctls",
)
_BOOLEANS = (*FLAGS, "allowPrivilegeEscalation", "defaultAllowPrivilegeEscalation")
_STRATEGIES = ("runAsUser", "seLinuxContext", "fsGroup", "supplementalGroups")


def type_problem(obj: Mapping[str, Any]) -> str:
    """The first field whose type is wrong; empty when all are right."""
    metadata = obj.get("metadata")
    if metadata is not None and not (isinstance(metadata, dict) and isinstance(metadata.get("name") or "", str)):
        return "metadata"
    checks: list[tuple[tuple[str, ...], Callable[[Any], bool]]] = [
        (_BOOLEANS, lambda value: isinstance(value, bool)),
        (_LISTS, _is_strings),
        (_STRATEGIES, _is_strategy),
        (("priority",), _is_number),
        (("userNamespaceLevel",), lambda value: isinstance(value, str)),
        (("allowedFlexVolumes",), _is_flex),
    ]
    for names, is_right in checks:
        for name in names:
            value = obj.get(name)
            if value is not None and not is_right(value):
                return name
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_flex(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and isinstance(item.get("driver") or "", str) for item in value
    )


def _is_strategy(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("type") or "", str):
        return False
    options, ranges = value.get("seLinuxOptions"), value.get("ranges")
    numbers = [value.get(key) for key in ("uid", "uidRangeMin", "uidRangeMax")]
    return (
        all(number is None or _is_number(number) for number in numbers)
        and (options is None or (isinstance(options, dict) and all(isinstance(v, str) for v in options.values())))
        and (ranges is None or (isinstance(ranges, list) and all(map(_is_range, ranges))))
    )


def _is_range(value: Any) -> bool:
    return isinstance(value, dict) and all(value.get(key) is None or _is_number(value[key]) for key in ("min", "max"))
