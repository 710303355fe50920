"""The OpenAPI documents that kubectl reads before it applies or explains."""

from __future__ import annotations

import hashlib

import orjson
from aiohttp import web

from podsysctl.apiserver import health, negotiate, respond
from podsysctl.apiserver.context import ServerContext
from podsysctl.objects import openapi as documents
from podsysctl.objects import status

_V2_PROTOBUF = (
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
)
"""Names of the binary form: what older clients ask for, and what they are answered (kube-openapi pkg/handler)."""


class OpenApi:
    """Answers /openapi/v3 and below, and an /openapi/v2 that defines nothing."""

    def __init__(self, server: ServerContext) -> None:
        self._server = server
        self._generation = -1
        self._documents: dict[str, tuple[bytes, str]] = {}

    def serve(self, http: web.Request) -> web.StreamResponse | None:
        """The answer, or None for other paths. Raises StatusError 404."""
        path = http.path.rstrip("/")
        if path == "/openapi/v2":
            return _v2(http)
        if path != "/openapi/v3" and not path.startswith("/openapi/v3/"):
            return None
        self._refresh()
        if path == "/openapi/v3":
            hashes = {name: self._document(name)[1] for name in self._names()}
            urls = {name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"} for name, digest in hashes.items()}
            return respond.encode(http, {"paths": urls})
        name = path.removeprefix("/openapi/v3/")
        if name not in self._names():
            raise status.path_not_found()
        body, digest = self._document(name)
        headers = respond.headers()
        headers["ETag"] = f'"{digest}"'
        headers["Content-Type"] = "application/json"
        if http.query.get("hash") == digest:
            headers["Cache-Control"] = "public, immutable"
        if http.headers.get("If-None-Match") == f'"{digest}"':
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    def paths(self) -> list[str]:
        """The paths that are answered."""
        return ["/openapi/v2", "/openapi/v3", *(f"/openapi/v3/{name}" for name in self._names())]

    def _refresh(self) -> None:
        if self._generation != self._server.registry.generation:
            self._generation = self._server.registry.generation
            self._documents.clear()

    def _names(self) -> list[str]:
        kinds = self._server.registry.kinds()
        return list(dict.fromkeys(f"apis/{k.group}/{k.version}" if k.group else f"api/{k.version}" for k in kinds))

    def _document(self, name: str) -> tuple[bytes, str]:
        found = self._documents.get(name)
        if found is None:
            group, _, version = name.removeprefix("apis/").rpartition("/")
            group = "" if name.startswith("api/") else group
            listed = [
                (resource.kind, resource.schema)
                for resource in self._server.registry.all()
                if (resource.kind.group, resource.kind.version) == (group, version)
            ]
            body = orjson.dumps(documents.document(listed))
            found = self._documents[name] = (body, hashlib.sha512(body).hexdigest().upper())
        return found


def _v2(http: web.Request) -> web.Response:
    """A document without definitions: clients of today read v3, and one that asks for v2 accepts nothing-known.

    Raises StatusError 406.
    """
    for clause in negotiate.parse_accept(http.headers.get("Accept") or "*/*"):
        if clause.media_type in ("*/*", "application/*", negotiate.JSON):
            info = {"title": "Kubernetes", "version": health.version()["gitVersion"]}
            response = respond.encode(http, {"swagger": "2.0", "info": info, "paths": {}, "definitions": {}})
        elif clause.media_type in _V2_PROTOBUF:
            response = web.Response(body=b"", headers={**respond.headers(), "Content-Type": _V2_PROTOBUF[-1]})
        else:
            continue
        response.headers["Vary"] = "Accept"
        return response
    raise status.not_acceptable((negotiate.JSON, *_V2_PROTOBUF))
