"""What an API server fills in when a SecurityContextConstraints object is written.

Source: kubernetes openshift-kube-apiserver admission/customresourcevalidation/securitycontextconstraints/defaults.go.
"""

from __future__ import annotations

from typing import Any

from podsysctl.policy.scc.constraint import ALL_VOLUMES, FLAGS, VOLUME_SOURCES

_NULLABLE = ("priority", "defaultAddCapabilities", "requiredDropCapabilities", "allowedCapabilities")


def apply_defaults(scc: dict[str, Any]) -> dict[str, Any]:
    """The object as it is stored: strategies, users and groups, volumes, flags, explicit nulls.

    The flag allowHostDirVolumePlugin wins over the list of volumes, which is sorted. The argument is not changed. An
    object with a field of the wrong type is returned as it is, for the schema to refuse.
    """
    if not _has_types(scc):
        return scc
    out = dict(scc)
    for field in ("fsGroup", "supplementalGroups"):
        strategy = dict(out.get(field) or {})
        strategy["type"] = strategy.get("type") or "RunAsAny"
        out[field] = strategy
    for field in ("seLinuxContext", "runAsUser"):
        out[field] = out.get(field) or {}
    for field in ("users", "groups"):
        if out.get(field) is None:
            out[field] = []
    for field in FLAGS:
        out[field] = bool(out.get(field))
    for field in _NULLABLE:
        out.setdefault(field, None)
    out["volumes"] = sorted(_volumes(out.get("volumes"), host_path=out["allowHostDirVolumePlugin"]))
    if out.get("allowPrivilegeEscalation") is None:
        out["allowPrivilegeEscalation"] = True
    return out


def _has_types(scc: dict[str, Any]) -> bool:
    """Whether the fields that are read here have the types they must have."""
    objects = ("fsGroup", "supplementalGroups", "seLinuxContext", "runAsUser")
    volumes = scc.get("volumes")
    return (
        all(isinstance(scc.get(field) or {}, dict) for field in objects)
        and all(isinstance(scc.get(field) or False, bool) for field in FLAGS)
        and (volumes is None or (isinstance(volumes, list) and all(isinstance(v, str) for v in volumes)))
    )


def _volumes(listed: list[str] | None, *, host_path: bool) -> set[str]:
    if listed is None:
        volumes = {ALL_VOLUMES}
    elif not listed:
        volumes = {"hostPath"} if host_path else {"none"}
    else:
        volumes = set(listed)
    if host_path:
        return volumes if ALL_VOLUMES in volumes else volumes | {"hostPath"}
    every = set(VOLUME_SOURCES.values()) - {"hostPath"} if ALL_VOLUMES in volumes else set()
    return (volumes - {ALL_VOLUMES, "hostPath"}) | every
