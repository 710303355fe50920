"""One SecurityContextConstraints object, read once into values that can be compared quickly.

Step in the path: mutating admission of pods. Tolerant of absent and null fields, as the API is.
Source: openshift/api security/v1/types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GROUP = "security.openshift.io"
PLURAL = "securitycontextconstraints"

UID_RANGE = "openshift.io/sa.scc.uid-range"
SUPPLEMENTAL_GROUPS = "openshift.io/sa.scc.supplemental-groups"
MCS = "openshift.io/sa.scc.mcs"
REQUIRED = "openshift.io/required-scc"
VALIDATED = "openshift.io/scc"
SUBJECT_TYPE = "security.openshift.io/validated-scc-subject-type"

FLAGS = (
    "allowPrivilegedContainer",
    "allowHostDirVolumePlugin",
    "allowHostNetwork",
    "allowHostPorts",
    "allowHostPID",
    "allowHostIPC",
    "readOnlyRootFilesystem",
)
"""Fields that are true or false and always there."""

ALL_VOLUMES = "*"
VOLUME_SOURCES: Mapping[str, str] = {
    "hostPath": "hostPath",
    "emptyDir": "emptyDir",
    "gcePersistentDisk": "gcePersistentDisk",
    "awsElasticBlockStore": "awsElasticBlockStore",
    "gitRepo": "gitRepo",
    "secret": "secret",
    "nfs": "nfs",
    "iscsi": "iscsi",
    "glusterfs": "glusterfs",
    "persistentVolumeClaim": "persistentVolumeClaim",
    "rbd": "rbd",
    "flexVolume": "flexVolume",
    "cinder": "cinder",
    "cephfs": "cephFS",
    "flocker": "flocker",
    "downwardAPI": "downwardAPI",
    "fc": "fc",
    "azureFile": "azureFile",
    "configMap": "configMap",
    "vsphereVolume": "vsphere",
    "quobyte": "quobyte",
    "azureDisk": "azureDisk",
    "photonPersistentDisk": "photonPersistentDisk",
    "projected": "projected",
    "portworxVolume": "portworxVolume",
    "scaleIO": "scaleIO",
    "storageos": "storageOS",
    "csi": "csi",
    "ephemeral": "ephemeral",
    "image": "image",
}
"""Field of a pod's volume to the type's name in a constraint, in the order in which upstream looks."""


@dataclass(frozen=True, slots=True)
class NamePatterns:
    """Sysctl names and prefixes as a constraint lists them: `*` at the end makes a prefix."""

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> NamePatterns:
        """Split a list into exact names and prefixes."""
        listed = list(entries)
        return cls(
            frozenset(e for e in listed if not e.endswith("*")),
            tuple(e[:-1] for e in listed if e.endswith("*")),
        )

    def __bool__(self) -> bool:
        """Whether anything is listed."""
        return bool(self.names or self.prefixes)

    def matches(self, name: str) -> bool:
        """Whether a raw name is listed; names are not normalised."""
        return name in self.names or name.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What one object says. `fields` is the object itself; ranges may still be open until a namespace is known."""

    name: str
    priority: int
    fields: Mapping[str, Any]
    users: frozenset[str]
    groups: frozenset[str]
    allowed_unsafe: NamePatterns
    forbidden: NamePatterns

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Constraint:
        """Read an object of the API."""
        return cls(
            name=(obj.get("metadata") or {}).get("name") or "",
            priority=obj.get("priority") or 0,
            fields=obj,
            users=frozenset(obj.get("users") or ()),
            groups=frozenset(obj.get("groups") or ()),
            allowed_unsafe=NamePatterns.parse(obj.get("allowedUnsafeSysctls") or ()),
            forbidden=NamePatterns.parse(obj.get("forbiddenSysctls") or ()),
        )

    def strategy(self, field: str) -> Mapping[str, Any]:
        """runAsUser, seLinuxContext, fsGroup or supplementalGroups; empty when absent."""
        value: Mapping[str, Any] = self.fields.get(field) or {}
        return value

    def strategy_type(self, field: str) -> str:
        """The strategy's name, such as MustRunAsRange; empty when absent."""
        return self.strategy(field).get("type") or ""

    def strings(self, field: str) -> tuple[str, ...]:
        """A list of strings, empty when absent or null."""
        return tuple(self.fields.get(field) or ())

    def allows(self, field: str) -> bool:
        """A flag such as allowHostNetwork; absent means no."""
        return bool(self.fields.get(field))
