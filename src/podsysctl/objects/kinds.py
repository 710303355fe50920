"""Which kinds exist: their names, scope, verbs and subresources, built-in from `kinds.toml` or made from a CRD.

Discovery, routing, decoding, authorization and the client all name a kind by one `Kind` value. Where an object
is stored and what its fields are is decided elsewhere; `storage_type` and `type_name` point there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from podsysctl.base.errors import PodsysctlError
from podsysctl.objects import schema as types

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Subresource:
    """One path below an object, such as `status` or `exec`, and the kind its body has."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]
    type_name: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of one group version.

    `type_name` is the name of the built-in type in `objects/schema`, empty for custom kinds. `storage_type` is
    the type of the stored object where it differs (events.k8s.io Events are stored as core Events).
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    type_name: str = ""
    list_kind: str = ""
    storage_type: str = ""

    def __post_init__(self) -> None:
        if not self.list_kind:
            object.__setattr__(self, "list_kind", f"{self.kind}List")

    @property
    def api_version(self) -> str:
        """`apiVersion` of its objects: `v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The plural name in paths: `pods`."""
        return self.plural

    @property
    def qualified(self) -> str:
        """The resource as error texts name it: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind as validation errors name it: `Pod`, `Deployment.apps`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def is_custom(self) -> bool:
        """Whether it was made from a CustomResourceDefinition."""
        return not self.type_name

    @property
    def schema(self) -> types.Schema | None:
        """The built-in type's tree; None for a custom kind, whose tree belongs to its definition."""
        return types.builtin(self.type_name) if self.type_name else None

    @property
    def storage_key(self) -> str:
        """What stored objects are filed under; kinds with one key share their objects, whatever their version."""
        if self.storage_type:
            shared = by_type_name(self.storage_type)
            return shared.qualified
        return self.qualified

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name, or None."""
        return next((s for s in self.subresources if s.name == name), None)

    def body_of(self, subresource: str) -> Kind:
        """The kind that the body of a subresource has: itself, or such as Scale. Raises KeyError when unknown."""
        sub = self.subresource(subresource)
        if sub is None:
            raise KeyError(subresource)
        if (sub.group, sub.kind) == (self.group, self.kind):
            return self
        return Kind(
            group=sub.group,
            version=sub.version,
            kind=sub.kind,
            plural=f"{self.plural}/{sub.name}",
            singular="",
            namespaced=self.namespaced,
            verbs=sub.verbs,
            type_name=sub.type_name,
        )

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, one object or its subresource; no namespace means all of them.

        >>> builtin_by_resource("", "v1", "pods").path("default", "web", "status")
        '/api/v1/namespaces/default/pods/web/status'
        """
        prefix = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        middle = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{prefix}{middle}/{self.plural}{tail}"


def from_crd(crd: Mapping[str, Any], version: str) -> Kind:
    """The kind that one version of a CustomResourceDefinition serves.

    Names come from `spec.names`, absent ones by upstream's rule: singular is the kind in lower case, listKind the
    kind with `List`. Raises PodsysctlError when the definition has no such version.
    """
    spec = crd["spec"]
    row = next((v for v in spec["versions"] if v["name"] == version), None)
    if row is None:
        raise PodsysctlError(f"CustomResourceDefinition {crd['metadata']['name']} has no version {version}")
    names = spec["names"]
    declared = row.get("subresources") or {}
    subresources = []
    if declared.get("scale") is not None:
        subresources.append(
            Subresource("scale", "autoscaling", "v1", "Scale", ("get", "patch", "update"), "autoscaling/v1.Scale")
        )
    if declared.get("status") is not None:
        group = spec["group"]
        subresources.append(Subresource("status", group, version, names["kind"], ("get", "patch", "update")))
    return Kind(
        group=spec["group"],
        version=version,
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(subresources),
        list_kind=names.get("listKind") or f"{names['kind']}List",
    )


def _parse_row(row: Mapping[str, Any]) -> Kind:
    subresources = tuple(
        Subresource(
            name=sub["name"],
            group=sub.get("group", row["group"]),
            version=sub.get("version", row["version"]),
            kind=sub["kind"],
            verbs=tuple(sub["verbs"]),
            type_name=sub.get("type", row["type"]),
        )
        for sub in row.get("subresources", ())
    )
    known = set(types.builtin_names())
    for type_name in (row["type"], *(s.type_name for s in subresources)):
        if type_name not in known:
            raise PodsysctlError(f"objects/kinds.toml: {row['kind']}: type {type_name} is not in objects/schema")
    return Kind(
        group=row["group"],
        version=row["version"],
        kind=row["kind"],
        plural=row["plural"],
        singular=row["singular"],
        namespaced=row["namespaced"],
        short_names=tuple(row.get("short_names", ())),
        categories=tuple(row.get("categories", ())),
        subresources=subresources,
        verbs=tuple(row.get("verbs", ALL_VERBS)),
        type_name=row["type"],
        storage_type=row.get("storage", ""),
    )


def _load() -> Iterator[Kind]:
    text = resources.files(__package__).joinpath("kinds.toml").read_text()
    return (_parse_row(row) for row in tomllib.loads(text)["kind"])


BUILTIN: tuple[Kind, ...] = tuple(_load())
"""Every built-in kind, in the order of `kinds.toml`, which is the order of discovery."""

_by_resource = {(k.group, k.version, k.plural): k for k in BUILTIN}
_by_kind = {(k.group, k.version, k.kind): k for k in BUILTIN}
_by_type = {k.type_name: k for k in BUILTIN}


def builtin_by_resource(group: str, version: str, plural: str) -> Kind:
    """The built-in kind of a resource. Raises KeyError when there is none."""
    return _by_resource[group, version, plural]


def builtin_by_kind(api_version: str, kind: str) -> Kind | None:
    """The built-in kind that an object's `apiVersion` and `kind` name, or None."""
    group, _, version = api_version.rpartition("/")
    return _by_kind.get((group, version, kind))


def by_type_name(type_name: str) -> Kind:
    """The built-in kind of a type such as `core/v1.Pod`. Raises KeyError when there is none."""
    return _by_type[type_name]
