"""Which groups, versions and resources exist: aggregated (v2, v2beta1) and legacy discovery.

Source of shapes: Kubernetes 1.36 `apiserver/pkg/endpoints/discovery`. The documents are encoded once per change of
the registry.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from podsysctl.apiserver import negotiate, respond
from podsysctl.apiserver.context import ServerContext
from podsysctl.objects import status
from podsysctl.objects.kinds import Kind, Subresource

Object = dict[str, Any]

_STABILITY = {"alpha": 0, "beta": 1, "": 2}


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as upstream prefers them, best first: v2, v1, v1beta2, v1beta1, v1alpha1, foo.

    >>> sorted(["foo", "v1beta1", "v1", "v10", "v2"], key=version_order)
    ['v10', 'v2', 'v1', 'v1beta1', 'foo']
    """
    match = re.fullmatch(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?", version)
    if match is None:
        return (1, 0, 0, version)
    return (-_STABILITY[match[2] or ""], -int(match[1]), -int(match[3] or 0), "")


def groups(kinds: Iterable[Kind]) -> dict[str, list[str]]:
    """Versions by group, the preferred one first; groups in order of appearance, the core group left out."""
    out: dict[str, list[str]] = {}
    for kind in kinds:
        versions = out.setdefault(kind.group, [])
        if kind.version not in versions:
            versions.append(kind.version)
    out.pop("", None)
    return {group: sorted(versions, key=version_order) for group, versions in out.items()}


def api_group(group: str, versions: list[str]) -> Object:
    """One `APIGroup`."""
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def resource_list(kinds: Iterable[Kind], group_version: str) -> Object:
    """The `APIResourceList` of one group version."""
    resources: list[Object] = []
    for kind in kinds:
        resources.append(_resource(kind))
        resources += [_subresource(kind, sub) for sub in kind.subresources]
    resources.sort(key=lambda entry: entry["name"])
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _resource(kind: Kind) -> Object:
    entry: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if {"list", "watch"} <= set(kind.verbs):
        digest = hashlib.sha256(f"{kind.group}/{kind.version}/{kind.kind}".encode()).digest()
        entry["storageVersionHash"] = base64.b64encode(digest[:8]).decode()
    return entry


def _subresource(kind: Kind, sub: Subresource) -> Object:
    entry: Object = {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": sub.kind,
        "verbs": list(sub.verbs),
    }
    if (sub.group, sub.version) != (kind.group, kind.version):
        entry["group"], entry["version"] = sub.group, sub.version
    return entry


def aggregated(kinds: Iterable[Kind], *, core: bool, version: str) -> Object:
    """The `APIGroupDiscoveryList` of `/api` (core) or `/apis`; `version` is v2 or v2beta1."""
    by_version: dict[tuple[str, str], list[Kind]] = {}
    listed = [kind for kind in kinds if (kind.group == "") is core]
    for kind in listed:
        by_version.setdefault((kind.group, kind.version), []).append(kind)
    names = {"": ["v1"]} if core else groups(listed)
    items = []
    for group, versions in names.items():
        metadata = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
        entries = [
            {
                "version": served,
                "resources": [_discovered(kind) for kind in sorted(by_version[group, served], key=lambda k: k.plural)],
                "freshness": "Current",
            }
            for served in versions
        ]
        items.append({"metadata": metadata, "versions": entries})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _discovered(kind: Kind) -> Object:
    entry: Object = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
                "verbs": list(sub.verbs),
            }
            for sub in kind.subresources
        ]
    return entry


class Discovery:
    """Answers `/api`, `/apis` and below."""

    def __init__(self, server: ServerContext) -> None:
        self._server = server
        self._generation = -1
        self._cache: dict[tuple[str, str], tuple[bytes, str]] = {}

    def serve(self, http: web.Request) -> web.StreamResponse | None:
        """The answer to a discovery path, None when the path is none. Raises StatusError 404, 405."""
        response = self._document(http)
        if response is not None and http.method not in ("GET", "HEAD"):
            raise status.method_not_allowed()
        return response

    def paths(self) -> list[str]:
        """The paths that are answered."""
        kinds = self._server.registry.kinds()
        versioned = {(kind.group, kind.version) for kind in kinds}
        core = [f"/api/{version}" for group, version in versioned if not group]
        others = [f"/apis/{group}/{version}" for group, version in versioned if group]
        return ["/api", *core, "/apis", *(f"/apis/{group}" for group in groups(kinds)), *others]

    def _document(self, http: web.Request) -> web.StreamResponse | None:
        parts = http.path.strip("/").split("/")
        if parts in (["api"], ["apis"]):
            return self._root(http, parts[0])
        kinds = self._server.registry.kinds()
        if parts[0] == "api" and len(parts) == 2:
            return self._versioned(http, kinds, "", parts[1])
        if parts[0] == "apis" and len(parts) == 2:
            versions = groups(kinds).get(parts[1])
            if versions is None:
                raise status.path_not_found()
            return respond.encode(http, {"kind": "APIGroup", "apiVersion": "v1", **api_group(parts[1], versions)})
        if parts[0] == "apis" and len(parts) == 3:
            return self._versioned(http, kinds, parts[1], parts[2])
        return None

    def _versioned(self, http: web.Request, kinds: list[Kind], group: str, version: str) -> web.StreamResponse:
        found = [kind for kind in kinds if kind.group == group and kind.version == version]
        if not found:
            raise status.path_not_found()
        name = f"{group}/{version}" if group else version
        return respond.encode(http, resource_list(found, name))

    def _root(self, http: web.Request, root: str) -> web.StreamResponse:
        shape = _aggregated_version(http.headers.get("Accept", ""))
        if not shape:
            return respond.encode(http, self._legacy(root))
        if self._generation != self._server.registry.generation:
            self._generation = self._server.registry.generation
            self._cache.clear()
        cached = self._cache.get((root, shape))
        if cached is None:
            body = orjson.dumps(aggregated(self._server.registry.kinds(), core=root == "api", version=shape))
            cached = self._cache[root, shape] = (body, f'"{hashlib.sha512(body).hexdigest().upper()}"')
        body, etag = cached
        headers = respond.headers()
        headers["ETag"] = etag
        headers["Vary"] = "Accept"
        if http.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        media = f"application/json;g=apidiscovery.k8s.io;v={shape};as=APIGroupDiscoveryList"
        headers["Content-Type"] = media
        return web.Response(body=body, headers=headers)

    def _legacy(self, root: str) -> Object:
        if root == "apis":
            listed = [api_group(group, versions) for group, versions in groups(self._server.registry.kinds()).items()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        address = f"{self._server.config.address}:{self._server.port}"
        return {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
        }


def _aggregated_version(accept: str) -> str:
    """v2, v2beta1, or "" when the client wants the legacy documents."""
    for clause in negotiate.parse_accept(accept):
        parameters = clause.parameters
        if clause.media_type != negotiate.JSON:
            continue
        if parameters.get("as") == "APIGroupDiscoveryList" and parameters.get("v") in ("v2", "v2beta1"):
            return parameters["v"]
        if not parameters:
            return ""
    return ""
