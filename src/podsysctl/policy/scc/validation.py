"""Whether a SecurityContextConstraints object is valid, in upstream's words and order.

Step in the path: validating admission of the object, after defaulting; metadata is checked where all objects' is.
Source: kubernetes openshift-kube-apiserver
admission/customresourcevalidation/securitycontextconstraints/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors, gotext
from podsysctl.policy.scc.constraint import ALL_VOLUMES

PATTERN_FORMAT = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?\.)*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]"
_PATTERN = re.compile(PATTERN_FORMAT)
_USER_TYPES = ("MustRunAs", "MustRunAsNonRoot", "MustRunAsRange", "RunAsAny")
_SELINUX_TYPES = ("MustRunAs", "RunAsAny")
_GROUP_TYPES = ("MustRunAs", "RunAsAny")


def validate(scc: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with an object besides its metadata; empty when it may be stored."""
    errors: list[FieldError] = []
    priority = scc.get("priority")
    if priority is not None and priority < 0:
        errors.append(fielderrors.invalid("priority", priority, "priority cannot be negative"))
    errors += _strategies(scc)
    errors += _capabilities(scc)
    if scc.get("defaultAllowPrivilegeEscalation") and scc.get("allowPrivilegeEscalation") is False:
        text = (
            "Cannot set DefaultAllowPrivilegeEscalation to true without also setting AllowPrivilegeEscalation to true"
        )
        errors.append(fielderrors.invalid("defaultAllowPrivilegeEscalation", True, text))
    errors += _volumes(scc)
    allowed, forbidden = scc.get("allowedUnsafeSysctls") or [], scc.get("forbiddenSysctls") or []
    errors += _sysctls("allowedUnsafeSysctls", allowed)
    errors += _sysctls("forbiddenSysctls", forbidden)
    return errors + _overlaps(allowed, forbidden)


def _strategies(scc: Mapping[str, Any]) -> list[FieldError]:
    errors: list[FieldError] = []
    user = scc.get("runAsUser") or {}
    kind = user.get("type") or ""
    if kind not in _USER_TYPES:
        text = f"invalid strategy type.  Valid values are {', '.join(_USER_TYPES)}"
        errors.append(fielderrors.invalid("runAsUser.type", kind, text))
    uid = user.get("uid")
    if uid is not None and uid < 0:
        errors.append(fielderrors.invalid("runAsUser.uid", uid, "uid cannot be negative"))
    kind = (scc.get("seLinuxContext") or {}).get("type") or ""
    if kind not in _SELINUX_TYPES:
        text = f"invalid strategy type.  Valid values are {', '.join(_SELINUX_TYPES)}"
        errors.append(fielderrors.invalid("seLinuxContext.type", kind, text))
    for field in ("fsGroup", "supplementalGroups"):
        strategy = scc.get(field) or {}
        kind = strategy.get("type") or ""
        if kind not in _GROUP_TYPES:
            errors.append(fielderrors.not_supported(f"{field}.type", kind, _GROUP_TYPES))
        errors += _ranges(field, strategy.get("ranges") or [])
    return errors


def _ranges(field: str, ranges: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    errors = []
    for index, entry in enumerate(ranges):
        low, high = entry.get("min") or 0, entry.get("max") or 0
        path = f"{field}.ranges[{index}]"
        if low < 0:
            errors.append(fielderrors.invalid(f"{path}.min", low, "min cannot be negative"))
        if high < 0:
            errors.append(fielderrors.invalid(f"{path}.max", high, "max cannot be negative"))
        if low > high:
            shown = gotext.Struct((key, value) for key, value in (("min", low), ("max", high)) if value)
            errors.append(fielderrors.invalid(f"{path}.min", shown, "min cannot be greater than max"))
    return errors


def _capabilities(scc: Mapping[str, Any]) -> list[FieldError]:
    drops = scc.get("requiredDropCapabilities")
    errors = []
    for field in ("defaultAddCapabilities", "allowedCapabilities"):
        for capability in scc.get(field) or ():
            if drops and capability in drops:
                text = f"capability is listed in {field} and requiredDropCapabilities"
                errors.append(fielderrors.invalid(field, capability, text))
    if drops and "*" in (scc.get("allowedCapabilities") or ()):
        text = "required capabilities must be empty when all capabilities are allowed by a wildcard"
        errors.append(fielderrors.invalid("requiredDropCapabilities", list(drops), text))
    return errors


def _volumes(scc: Mapping[str, Any]) -> list[FieldError]:
    errors = []
    volumes = scc.get("volumes") or []
    if "none" in volumes and len(volumes) > 1:
        text = "if 'none' is specified, no other values are allowed"
        errors.append(fielderrors.invalid("volumes", list(volumes), text))
    flex = scc.get("allowedFlexVolumes") or []
    if flex and not {"flexVolume", ALL_VOLUMES} & set(volumes):
        text = "volumes does not include 'flexVolume' or '*', so no flex volumes are allowed"
        return [*errors, fielderrors.invalid("allowedFlexVolumes", list(flex), text)]
    for index, entry in enumerate(flex):
        if not entry.get("driver"):
            errors.append(fielderrors.required(f"allowedFlexVolumes[{index}].driver", "must specify a driver"))
    return errors


def is_valid_pattern(pattern: str) -> bool:
    """Whether an entry has the form constraints accept: dots only, `*` only as the last character."""
    return (
        len(pattern.encode("utf-8", "surrogatepass")) <= limits.SYSCTL_NAME_BYTES
        and _PATTERN.fullmatch(pattern) is not None
    )


def _sysctls(field: str, entries: Sequence[str]) -> list[FieldError]:
    errors = []
    covers_all = False
    for index, entry in enumerate(entries):
        path = f"{field}[{index}]"
        if not entry:
            errors.append(fielderrors.invalid(path, entry, "empty sysctl not allowed"))
        elif not is_valid_pattern(entry):
            text = f"must have at most {limits.SYSCTL_NAME_BYTES} characters and match regex {PATTERN_FORMAT}"
            errors.append(fielderrors.invalid(path, entry, text))
        elif entry.startswith("*"):
            covers_all = True
    if covers_all and len(entries) > 1:
        text = "if '*' is present, must not specify other sysctls"
        errors.append(fielderrors.forbidden(f"{field}.items", text))
    return errors


def _overlaps(allowed: Sequence[str], forbidden: Sequence[str]) -> list[FieldError]:
    """Each pair of which one covers the other, reported at the entry that is covered."""
    errors = []
    for i, allow in enumerate(allowed):
        for j, forbid in enumerate(forbidden):
            if _covers(forbid, allow):
                path, entry, other = f"allowedUnsafeSysctls[{i}]", allow, forbid
            elif allow.endswith("*") and _covers(allow, forbid):
                path, entry, other = f"forbiddenSysctls[{j}]", forbid, allow
            else:
                continue
            errors.append(fielderrors.invalid(path, entry, f"sysctl overlaps with {other}"))
    return errors


def _covers(entry: str, other: str) -> bool:
    """Whether everything `other` means is meant by `entry`."""
    if not entry.endswith("*"):
        return entry == other
    return other.removesuffix("*").startswith(entry[:-1])
