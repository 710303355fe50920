"""One document of one file: its value, and where each part of it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import yaml

from podsysctl.policy import pod_template
from podsysctl.policy.lint.finding import Position

Path = tuple[str | int, ...]
_VARIANT = re.compile(r"^(?:.*/)?(?:overlays|environments|envs|clusters)/[^/]+/")
_TEMPLATE_DEPTH = 10
"""How deep pod templates are looked for in custom resources."""


class Kind(StrEnum):
    """What a document is, as far as rules care."""

    WORKLOAD = "workload"
    """A Pod, or anything that creates pods."""
    NAMESPACE = "namespace"
    KUBELET_CONFIG = "kubeletconfig"
    """OpenShift's object around a kubelet configuration."""
    KUBELET_FILE = "kubelet"
    """A KubeletConfiguration: the kubelet's own file, or a drop-in."""
    POOL = "machineconfigpool"
    CONSTRAINT = "scc"
    TUNED = "tuned"
    ATTACHMENT = "network-attachment-definition"
    COMPOSE = "compose"
    OTHER = "other"


_KINDS = {
    ("", "Namespace"): Kind.NAMESPACE,
    ("machineconfiguration.openshift.io", "KubeletConfig"): Kind.KUBELET_CONFIG,
    ("machineconfiguration.openshift.io", "MachineConfigPool"): Kind.POOL,
    ("kubelet.config.k8s.io", "KubeletConfiguration"): Kind.KUBELET_FILE,
    ("security.openshift.io", "SecurityContextConstraints"): Kind.CONSTRAINT,
    ("tuned.openshift.io", "Tuned"): Kind.TUNED,
    ("k8s.cni.cncf.io", "NetworkAttachmentDefinition"): Kind.ATTACHMENT,
}


def kind_of(value: Any) -> Kind:
    """What a document's value is."""
    if not isinstance(value, dict):
        return Kind.OTHER
    api_version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return Kind.COMPOSE if isinstance(value.get("services"), dict) else Kind.OTHER
    if pod_template.template_path(value) is not None:
        return Kind.WORKLOAD
    return _KINDS.get((api_version.rpartition("/")[0], kind), Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML or JSON document, or an item of a List in one.

    `node` is the tree with positions that belongs to `value`; `text` the whole file.
    """

    file: str
    value: Any
    node: yaml.Node
    text: str
    kind: Kind
    custom_template: Path | None = None
    """Where a custom resource holds this pod template; other kinds are known."""

    @property
    def template_path(self) -> Path:
        """The path to the metadata and spec of a workload's pods."""
        if self.custom_template is not None:
            return self.custom_template
        return pod_template.template_path(self.value) or ()

    @property
    def name(self) -> str:
        """metadata.name, empty when there is none."""
        return str(self.get("metadata", "name") or "")

    @property
    def namespace(self) -> str:
        """metadata.namespace, empty when there is none."""
        return str(self.get("metadata", "namespace") or "")

    @property
    def variant(self) -> str:
        """The directory of its file below one such as `overlays`: of several such only one is ever applied."""
        found = _VARIANT.search(self.file)
        return found[0] if found else ""

    @property
    def title(self) -> str:
        """`Deployment web`, for messages."""
        kind = self.value.get("kind") if isinstance(self.value, dict) else ""
        return f"{kind or 'document'} {self.name}".strip()

    def get(self, *path: str | int) -> Any:
        """The value at a path; None when something on the way is missing or of another type."""
        return at(self.value, path)

    def node_at(self, path: Sequence[str | int]) -> yaml.Node:
        """The node at a path, or the deepest one on the way to it."""
        return self.find_node(path)[0]

    def find_node(self, path: Sequence[str | int]) -> tuple[yaml.Node, bool]:
        """The node at a path and whether it is really that one, rather than the deepest on the way."""
        node = self.node
        for key in path:
            below = _child(node, key)
            if below is None:
                return node, False
            node = below
        return node, True

    def position(self, path: Sequence[str | int] = ()) -> Position:
        """Where a path stands."""
        mark = self.node_at(path).start_mark
        return Position(mark.line + 1, mark.column + 1)

    def key_node(self, path: Sequence[str | int]) -> yaml.Node | None:
        """The node of the key of a mapping's entry, such as the word `sysctls` itself."""
        parent, found = self.find_node(path[:-1])
        if not found or not isinstance(parent, yaml.MappingNode):
            return None
        return next((key for key, _ in parent.value if key.value == path[-1]), None)


def at(value: Any, path: Sequence[str | int]) -> Any:
    """The value at a path of mappings and lists; None when something on the way is missing or of another type."""
    for key in path:
        if isinstance(key, int):
            value = value[key] if isinstance(value, list) and key < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def _child(node: yaml.Node, key: str | int) -> yaml.Node | None:
    if isinstance(key, int):
        if isinstance(node, yaml.SequenceNode) and key < len(node.value):
            item: yaml.Node = node.value[key]
            return item
        return None
    if not isinstance(node, yaml.MappingNode):
        return None
    found = None
    for key_node, value_node in node.value:
        if key_node.value == key:
            found = value_node  # the last of several wins, as in the value
    return found


def documents_of(file: str, text: str, parsed: Sequence[tuple[yaml.Node, Any]]) -> list[Document]:
    """The documents of a file: Lists and Templates taken apart, custom resources once for each pod template."""
    out: list[Document] = []
    for node, value in parsed:
        field = _list_field(value)
        if field:
            whole = Document(file, value, node, text, Kind.OTHER)
            for index, item in enumerate(value[field]):
                out += _documents(Document(file, item, whole.node_at((field, index)), text, kind_of(item)))
            continue
        out += _documents(Document(file, value, node, text, kind_of(value)))
    return out


def _list_field(value: Any) -> str:
    """The field with the objects of a List or of OpenShift's Template; empty for anything else."""
    if isinstance(value, dict):
        kind = str(value.get("kind", ""))
        if kind.endswith("List") and isinstance(value.get("items"), list):
            return "items"
        if kind == "Template" and isinstance(value.get("objects"), list):
            return "objects"
    return ""


def _documents(document: Document) -> list[Document]:
    """The document itself; one of a custom kind as often as it holds pod templates."""
    value = document.value
    if document.kind is not Kind.OTHER or not isinstance(value, dict) or "/" not in str(value.get("apiVersion")):
        return [document]
    found = [replace(document, kind=Kind.WORKLOAD, custom_template=path) for path in _templates(value, ())]
    return found or [document]


def _templates(value: Any, path: Path) -> Iterator[Path]:
    """Where a custom resource holds something that has the shape of a pod: a `spec` with containers or sysctls."""
    if len(path) > _TEMPLATE_DEPTH:
        return
    if isinstance(value, dict):
        spec = value.get("spec")
        if _is_pod_spec(spec):
            yield path
        for key, below in value.items():
            if isinstance(key, str) and isinstance(below, dict | list):
                yield from _templates(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            if isinstance(below, dict):
                yield from _templates(below, (*path, index))


def _is_pod_spec(spec: Any) -> bool:
    if not isinstance(spec, dict):
        return False
    if isinstance(at(spec, ("securityContext", "sysctls")), list):
        return True
    listed = [*_items(spec.get("containers")), *_items(spec.get("initContainers"))]
    return any(isinstance(item, dict) and isinstance(item.get("name"), str) for item in listed)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
