"""The containers of a manifest that set kernel parameters, and where each of their values belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.policy.lint.document import at
from podsysctl.policy.migration import destination, shell
from podsysctl.policy.migration.destination import Destination, Nodes, Place, Surroundings
from podsysctl.policy.migration.effects import Effects

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


def effects_of(spec: Any, container: Mapping[str, Any]) -> Effects:
    """What a container does."""
    return shell.effects_of(container, _mounts(spec, container))


def setters_of(spec: Any, nodes: Nodes, *, lasts: bool = True) -> list[Setter]:
    """The containers of a pod that set something."""
    around = Surroundings(at(spec, ("hostNetwork",)) is True, at(spec, ("hostIPC",)) is True, lasts)
    out = []
    for key in (INIT, REGULAR):
        for index, container in containers_of(spec, key):
            effects = effects_of(spec, container)
            if effects.writes or effects.sysfs or effects.unknown:
                values = tuple(destination.decide(write, around, nodes) for write in effects.writes)
                name = str(container.get("name") or f"number {index + 1}")
                out.append(Setter(key, index, name, effects, values, is_privileged(container)))
    return out


def is_privileged(container: Mapping[str, Any]) -> bool:
    """Whether /proc/sys is writable for it."""
    context = container.get("securityContext")
    added = at(context, ("capabilities", "add"))
    return at(context, ("privileged",)) is True or (isinstance(added, list) and "SYS_ADMIN" in added)


def _mounts(spec: Any, container: Mapping[str, Any]) -> dict[str, str]:
    """The node's directories by where the container has them."""
    sources = {}
    volumes = at(spec, ("volumes",))
    for volume in volumes if isinstance(volumes, list) else ():
        path = at(volume, ("hostPath", "path"))
        if isinstance(path, str) and isinstance(at(volume, ("name",)), str):
            sources[volume["name"]] = path
    mounts = container.get("volumeMounts")
    return {
        mount["mountPath"]: sources[mount["name"]]
        for mount in (mounts if isinstance(mounts, list) else ())
        if isinstance(mount, dict) and mount.get("name") in sources and isinstance(mount.get("mountPath"), str)
    }
