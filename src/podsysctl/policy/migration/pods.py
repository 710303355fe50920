"""The containers of a manifest that set kernel parameters, and where each of their values belongs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from podsysctl.policy.lint.document import Document, at
from podsysctl.policy.migration import destination, shell
from podsysctl.policy.migration.destination import Destination, Nodes, Place, Surroundings
from podsysctl.policy.migration.effects import Effects
from podsysctl.policy.migration.shell import Files

Scripts = Mapping[str, Mapping[str, str]]
"""Texts of ConfigMaps, by the map's name and the key."""
NO_SCRIPTS: Scripts = MappingProxyType({})
INIT, REGULAR = "initContainers", "containers"


@dataclass(frozen=True, slots=True)
class Setter:
    """One container that sets something. `values` says where each write belongs, in their order."""

    key: str
    index: int
    name: str
    effects: Effects
    values: tuple[Destination, ...]
    privileged: bool

    @property
    def undecided(self) -> list[str]:
        """Why the container cannot be taken away."""
        out = [f"it does more than set values: {text}" for text in dict.fromkeys(self.effects.unclear)]
        out += [f"{v.name}: {v.why}" for v in self.values if v.place is Place.UNDECIDED]
        if not self.privileged:
            out.append("it is not privileged, so the kernel refuses what it writes")
        return out


def containers_of(spec: Any, key: str) -> list[tuple[int, dict[str, Any]]]:
    """The containers of a list, with their places."""
    listed = at(spec, (key,))
    return [(i, c) for i, c in enumerate(listed if isinstance(listed, list) else ()) if isinstance(c, dict)]


def effects_of(spec: Any, container: Mapping[str, Any], scripts: Scripts = NO_SCRIPTS) -> Effects:
    """What a container does."""
    return shell.effects_of(container, _files(spec, container, scripts))


def setters_of(spec: Any, nodes: Nodes, *, lasts: bool = True, scripts: Scripts = NO_SCRIPTS) -> list[Setter]:
    """The containers of a pod that set something. `scripts` are the texts of the ConfigMaps of its namespace."""
    around = Surroundings(at(spec, ("hostNetwork",)) is True, at(spec, ("hostIPC",)) is True, lasts)
    out = []
    for key in (INIT, REGULAR):
        for index, container in containers_of(spec, key):
            effects = effects_of(spec, container, scripts)
            unnamed = effects.unnamed and is_privileged(container)
            if effects.writes or effects.sysfs or effects.unknown or unnamed:
                values = tuple(destination.decide(write, around, nodes) for write in effects.writes)
                name = str(container.get("name") or f"number {index + 1}")
                out.append(Setter(key, index, name, effects, values, is_privileged(container)))
    return out


def is_privileged(container: Mapping[str, Any]) -> bool:
    """Whether /proc/sys is writable for it."""
    context = container.get("securityContext")
    added = at(context, ("capabilities", "add"))
    return at(context, ("privileged",)) is True or (isinstance(added, list) and "SYS_ADMIN" in added)


def _files(spec: Any, container: Mapping[str, Any], scripts: Scripts) -> Files:
    """What the container finds where it mounts the pod's volumes."""
    host, texts, mounted = dict[str, str](), dict[str, str](), list[str]()
    volumes = {at(v, ("name",)): v for v in _listed(spec, "volumes") if isinstance(at(v, ("name",)), str)}
    for mount in _listed(container, "volumeMounts"):
        path, volume = at(mount, ("mountPath",)), volumes.get(at(mount, ("name",)))
        if not isinstance(path, str):
            continue
        mounted.append(path)
        source, name = at(volume, ("hostPath", "path")), at(volume, ("configMap", "name"))
        if isinstance(source, str):
            host[path] = source
        if isinstance(name, str):
            texts |= _texts(path, mount, volume, scripts.get(name, {}))
    return Files(host, texts, tuple(mounted))


def _texts(path: str, mount: Any, volume: Any, data: Mapping[str, str]) -> dict[str, str]:
    """The files of a mounted ConfigMap."""
    items = _listed(at(volume, ("configMap",)), "items")
    names = {str(at(i, ("key",))): str(at(i, ("path",))) for i in items} if items else {key: key for key in data}
    found = {name: data[key] for key, name in names.items() if key in data}
    part = at(mount, ("subPath",))
    if isinstance(part, str):
        return {path: found[part]} if part in found else {}
    return {f"{path.rstrip('/')}/{name}": text for name, text in found.items()}


def _listed(value: Any, key: str) -> list[Any]:
    found = at(value, (key,))
    return found if isinstance(found, list) else []


def scripts_of(documents: Iterable[Document]) -> Mapping[str, Scripts]:
    """The texts of all ConfigMaps among documents, by namespace and name; of one there twice, nothing."""
    out: dict[str, dict[str, Mapping[str, str]]] = {}
    for document in documents:
        data = document.get("data")
        if document.get("kind") != "ConfigMap" or not isinstance(data, dict) or not document.name:
            continue
        texts = {str(key): value for key, value in data.items() if isinstance(value, str)}
        there = out.setdefault(document.namespace, {})
        there[document.name] = {} if document.name in there else texts
    return out
