"""Which kinds a server has, and which one a word such as `po`, `deploy` or `tuneds.openshift.io` means.

Reads aggregated discovery (apidiscovery.k8s.io/v2) in two requests, and the legacy lists of older servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.client.rest import Client, Object

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


class UnknownResourceError(PodsysctlError):
    """A word or an object that names no kind of this server."""

    reason = "UnknownResource"


@dataclass(frozen=True, slots=True)
class Found:
    """One kind as the server describes it; `subresources` are names such as `scale`."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """`apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def display(self) -> str:
        """The kind in commands' answers: `pod`, `deployment.apps`."""
        kind = self.kind.lower()
        return f"{kind}.{self.group}" if self.group else kind


class Mapper:
    """The kinds of one server, in the server's order of preference."""

    def __init__(self, found: Iterable[Found]) -> None:
        self.resources: list[Found] = list(found)

    def __iter__(self) -> Iterator[Found]:
        return iter(self.resources)

    def find(self, word: str) -> Found:
        """The kind that a plural, singular, short name or kind means, with or without version and group.

        Full names win over short names, earlier groups over later ones. Raises UnknownResourceError.
        """
        text = word.lower()
        name, _, rest = text.partition(".")
        candidates = self.resources
        if rest:
            candidates = [r for r in self.resources if rest in (r.group, f"{r.version}.{r.group}")]
        for resource in candidates:
            if name in (resource.plural, resource.singular or resource.kind.lower(), resource.kind.lower()):
                return resource
        for resource in candidates:
            if name in resource.short_names:
                return resource
        raise UnknownResourceError(f'the server doesn\'t have a resource type "{word}"')

    def find_kind(self, api_version: str, kind: str) -> Found:
        """The kind of an object. Raises UnknownResourceError in kubectl's words."""
        for resource in self.resources:
            if resource.kind == kind and resource.api_version == api_version:
                return resource
        raise UnknownResourceError(f'no matches for kind "{kind}" in version "{api_version}"')

    def category(self, name: str) -> list[Found]:
        """The kinds of a category such as `all`; a kind served in several versions once."""
        chosen: dict[tuple[str, str], Found] = {}
        for resource in self.resources:
            if name in resource.categories and "list" in resource.verbs:
                chosen.setdefault((resource.group, resource.plural), resource)
        return list(chosen.values())

    def preferred(self) -> list[Found]:
        """Every kind once, in its group's preferred version."""
        chosen: dict[tuple[str, str], Found] = {}
        for resource in self.resources:
            chosen.setdefault((resource.group, resource.plural), resource)
        return list(chosen.values())


async def discover(client: Client) -> Mapper:
    """Ask a server for all its kinds. Raises StatusError and ConnectionFailedError."""
    found: list[Found] = []
    for path in ("/api", "/apis"):
        try:
            answer = await client.request("GET", path, accept=AGGREGATED)
        except StatusError as error:
            if error.code == 404:  # a server without core kinds, or without groups
                continue
            raise
        if answer.get("kind") == "APIGroupDiscoveryList":
            found += _aggregated(answer)
        else:
            found += await _legacy(client, path, answer)
    return Mapper(found)


def _aggregated(answer: Object) -> Iterator[Found]:
    for item in answer.get("items") or []:
        group = (item.get("metadata") or {}).get("name") or ""
        for version in item.get("versions") or []:
            for resource in version.get("resources") or []:
                kind = resource.get("responseKind") or {}
                yield Found(
                    group=group,
                    version=version["version"],
                    kind=kind.get("kind") or "",
                    plural=resource["resource"],
                    singular=resource.get("singularResource") or "",
                    namespaced=resource.get("scope") == "Namespaced",
                    short_names=tuple(resource.get("shortNames") or ()),
                    categories=tuple(resource.get("categories") or ()),
                    verbs=tuple(resource.get("verbs") or ()),
                    subresources=tuple(s["subresource"] for s in resource.get("subresources") or ()),
                )


async def _legacy(client: Client, path: str, answer: Object) -> list[Found]:
    """One request per version; a group whose server is away is left out, as kubectl does."""
    if path == "/api":
        versions = [("", version) for version in answer.get("versions") or []]
    else:
        versions = []
        for group in answer.get("groups") or []:
            preferred = (group.get("preferredVersion") or {}).get("version")
            names = [v["version"] for v in group.get("versions") or []]
            versions += [(group["name"], v) for v in sorted(names, key=lambda v: v != preferred)]
    found: list[Found] = []
    for group_name, version in versions:
        try:
            listed = await client.request("GET", f"{path}/{group_name}/{version}".replace("//", "/"))
        except StatusError:
            continue
        found += _legacy_list(group_name, version, listed.get("resources") or [])
    return found


def _legacy_list(group: str, version: str, rows: list[Any]) -> Iterator[Found]:
    for row in rows:
        if "/" in row["name"]:
            continue
        prefix = row["name"] + "/"
        yield Found(
            group=group,
            version=version,
            kind=row.get("kind") or "",
            plural=row["name"],
            singular=row.get("singularName") or "",
            namespaced=bool(row.get("namespaced")),
            short_names=tuple(row.get("shortNames") or ()),
            categories=tuple(row.get("categories") or ()),
            verbs=tuple(row.get("verbs") or ()),
            subresources=tuple(r["name"].removeprefix(prefix) for r in rows if r["name"].startswith(prefix)),
        )
