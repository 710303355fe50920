"""What a Kubernetes API is asked for: get, list, watch, create, update, patch, delete of any kind.

Everything that talks to an API server does so through `Client`: informers, event recorders, the node agent,
controllers and the command line. Objects are plain dicts. `transport.py` carries the requests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client import watch
from podsysctl.client.transport import Transport

Object = dict[str, Any]

PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Resource(Protocol):
    """Where a kind lives in the API; `objects.kinds.Kind` and `discovery.Found` both fit."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def namespaced(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ObjectList:
    """One complete list and the revision it was read at."""

    items: list[Object]
    resource_version: str


def quote_path(text: str) -> str:
    """One path segment, percent-encoded, so that a name cannot leave it."""
    return quote(text, safe=":")


def resource_path(kind: Resource, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
    """The path of a collection, an object or a subresource, names percent-encoded."""
    parts = ["/api", kind.version] if not kind.group else ["/apis", kind.group, kind.version]
    if kind.namespaced and namespace:
        parts += ["namespaces", quote_path(namespace)]
    parts.append(kind.plural)
    if name:
        parts.append(quote_path(name))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def _params(**values: Any) -> dict[str, str]:
    """Query parameters: empty values left out, booleans spelled as upstream does."""
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in values.items() if v not in ("", None, 0)}


def _write_params(dry_run: bool, field_manager: str, field_validation: str) -> dict[str, str]:
    return _params(dryRun="All" if dry_run else "", fieldManager=field_manager, fieldValidation=field_validation)


def _complete(items: list[Object], page: Object) -> None:
    """Give list items the kind and version that upstream leaves out of them."""
    kind = str(page.get("kind") or "").removesuffix("List")
    for item in items:
        if kind and not item.get("kind"):
            item["kind"] = kind
            item["apiVersion"] = page.get("apiVersion")


class Client(Transport):
    """An open connection to one API server, as one identity. Use as an async context manager."""

    async def get(self, kind: Resource, name: str, namespace: str | None = None, subresource: str = "") -> Object:
        """One object. Raises StatusError (404 when absent) and ConnectionFailedError."""
        return await self._object("GET", resource_path(kind, namespace, name, subresource))

    async def list(
        self,
        kind: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        resource_version: str = "",
    ) -> ObjectList:
        """All objects of a kind, in one namespace or in all; `limit` is the page size, pages are joined.

        A page token that expires on the way (410) makes it start again without pages.
        """
        items: list[Object] = []
        token, page_size = "", limit
        path = resource_path(kind, namespace)
        while True:
            params = _params(
                labelSelector=label_selector,
                fieldSelector=field_selector,
                limit=page_size,
                resourceVersion=resource_version,
            )
            if token:
                params["continue"] = token
                params.pop("resourceVersion", None)
            try:
                page = await self._object("GET", path, params=params)
            except StatusError as error:
                if error.code != 410 or not token:
                    raise
                items, token, page_size = [], "", 0
                continue
            items += page.get("items") or []
            metadata = page.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                _complete(items, page)
                return ObjectList(items, metadata.get("resourceVersion") or "")

    async def create(
        self,
        kind: Resource,
        obj: Object,
        *,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Object:
        """POST an object to its collection, or to a subresource (binding, eviction, token) of `name`.

        The namespace is the object's own unless given. Raises StatusError.
        """
        where = namespace if namespace is not None else (obj.get("metadata") or {}).get("namespace")
        return await self._object(
            "POST",
            resource_path(kind, where, name, subresource),
            params=_write_params(dry_run, field_manager, field_validation),
            body=obj,
        )

    async def update(
        self,
        kind: Resource,
        obj: Object,
        subresource: str = "",
        *,
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Object:
        """PUT an object, or its status. Raises StatusError 409 when its resourceVersion is not the newest."""
        metadata = obj["metadata"]
        return await self._object(
            "PUT",
            resource_path(kind, metadata.get("namespace"), metadata["name"], subresource),
            params=_write_params(dry_run, field_manager, field_validation),
            body=obj,
        )

    async def patch(
        self,
        kind: Resource,
        name: str,
        patch: Any,
        *,
        namespace: str | None = None,
        patch_type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool | None = None,
        dry_run: bool = False,
        field_validation: str = "",
    ) -> Object:
        """PATCH an object; `patch_type` is json, merge, strategic or apply (server-side apply).

        `force` is sent with apply patches only, and takes fields over from other managers.
        """
        params = _write_params(dry_run, field_manager, field_validation)
        if patch_type == "apply":
            params["force"] = "true" if force else "false"
        return await self._object(
            "PATCH",
            resource_path(kind, namespace, name, subresource),
            params=params,
            body=patch,
            content_type=PATCH_TYPES[patch_type],
        )

    async def delete(
        self,
        kind: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace_period_s: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """DELETE an object; answers with it (still terminating) or with a Status.

        `uid` and `resource_version` are preconditions (409), `propagation` is Foreground, Background or Orphan.
        """
        options: Object = {}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        conditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}
        if conditions:
            options["preconditions"] = conditions
        if propagation:
            options["propagationPolicy"] = propagation
        if dry_run:
            options["dryRun"] = ["All"]
        return await self._object("DELETE", resource_path(kind, namespace, name), body=options or None)

    async def watch(
        self,
        kind: Resource,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_s: int = 0,
    ) -> AsyncGenerator[watch.WatchEvent, None]:
        """Changes after `resource_version`, bookmarks included, until the server ends the stream.

        Without a resource_version, objects that exist come first as ADDED. Close the iterator
        (`contextlib.aclosing`) when leaving early. Raises StatusError, 410 when the revision is too old.
        """
        params = _params(labelSelector=label_selector, fieldSelector=field_selector, resourceVersion=resource_version)
        async for event in watch.stream(self, resource_path(kind, namespace), params, timeout_s):
            yield event

    async def delete_collection(
        self, kind: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Object:
        """DELETE every object that the selectors match."""
        params = _params(labelSelector=label_selector, fieldSelector=field_selector)
        return await self._object("DELETE", resource_path(kind, namespace), params=params)

    async def _object(self, method: str, path: str, **options: Any) -> Object:
        answer = await self.request(method, path, **options)
        if not isinstance(answer, dict):
            raise ConnectionFailedError(f"the answer to {method} {path} is not an object")
        return answer
