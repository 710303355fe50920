"""Which resources are served at this moment: the built-in ones and those of CustomResourceDefinitions."""

from __future__ import annotations

from collections.abc import Iterable

from podsysctl.apiserver.resource import Resource, builtin_resource
from podsysctl.objects.kinds import BUILTIN, Kind


class Registry:
    """Lookup by path and by kind. `generation` changes with every change, for caches of discovery."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str, str], Resource] = {}
        self.generation = 0
        self.replace((), [builtin_resource(kind) for kind in BUILTIN])

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource of a path."""
        return self._by_path.get((group, version, plural))

    def find_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an object."""
        group, _, version = api_version.rpartition("/")
        return self._by_kind.get((group, version, kind))

    def get(self, group: str, plural: str) -> Resource:
        """A resource in its first served version. Raises KeyError."""
        for resource in self._by_path.values():
            if resource.kind.group == group and resource.kind.plural == plural:
                return resource
        raise KeyError((group, plural))

    def all(self) -> Iterable[Resource]:
        """Every resource, built-in ones first, in the order of discovery."""
        return list(self._by_path.values())

    def kinds(self) -> list[Kind]:
        """The same as kinds."""
        return [resource.kind for resource in self._by_path.values()]

    def has_group_version(self, group: str, version: str) -> bool:
        """Whether anything is served there."""
        return any(g == group and v == version for g, v, _ in self._by_path)

    def replace(self, old: Iterable[Resource], new: Iterable[Resource]) -> None:
        """Stop serving some resources and begin to serve others, in one step."""
        for resource in old:
            kind = resource.kind
            self._by_path.pop((kind.group, kind.version, kind.plural), None)
            self._by_kind.pop((kind.group, kind.version, kind.kind), None)
        for resource in new:
            kind = resource.kind
            self._by_path[kind.group, kind.version, kind.plural] = resource
            self._by_kind[kind.group, kind.version, kind.kind] = resource
        self.generation += 1
