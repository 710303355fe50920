"""Only volume types that hold no host or node storage are allowed.

Field: spec.volumes[*]. Allowed: configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim,
projected, secret.
Source: pod-security-admission policy/check_restrictedVolumes.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.policy.check import RESTRICTED, Check, CheckVersion, Violation, quoted_set
from podsysctl.policy.pod_view import PodView
from podsysctl.policy.wording import join_quoted, plural

_ALLOWED = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
_FORBIDDEN = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
)


def since_1_0(pod: PodView) -> Violation | None:
    """Every volume must be of an allowed type; one without a source becomes an emptyDir when it is stored."""
    bad: list[str] = []
    types: set[str] = set()
    for volume in pod.volumes:
        if len(volume) > 1 and not _has_any(volume, _ALLOWED):
            bad.append(volume.get("name") or "")
            types.add(_has_any(volume, _FORBIDDEN) or "unknown")
    if not bad:
        return None
    subject = f"{plural('volume', 'volumes', len(bad))} {join_quoted(bad)}"
    noun = plural("restricted volume type", "restricted volume types", len(types))
    return Violation(
        "restricted volume types", f"{subject} {plural('uses', 'use', len(bad))} {noun} {quoted_set(types)}"
    )


def _has_any(volume: Mapping[str, Any], types: tuple[str, ...]) -> str:
    """The first of these types that the volume sets; empty when it sets none."""
    for name in types:
        if volume.get(name) is not None:
            return name
    return ""


CHECK = Check("restrictedVolumes", RESTRICTED, (CheckVersion(0, since_1_0, ("hostPathVolumes",)),))
