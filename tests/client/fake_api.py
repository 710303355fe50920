"""A small Kubernetes API of one kind in memory, with revisions, watches and compaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Kind:
    group: str = ""
    version: str = "v1"
    plural: str = "configmaps"
    namespaced: bool = True


CONFIG_MAPS = Kind()
Object = dict[str, Any]


class FakeApi:
    """Serves configmaps (and events) of every namespace; `log` holds (revision, type, object)."""

    def __init__(self) -> None:
        self.revision = 10
        self.compacted = 0
        self.objects: dict[str, Object] = {}
        self.log: list[tuple[int, str, Object]] = []
        self.requests: list[web.Request] = []
        self.answers: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = []
        self.changed = asyncio.Condition()
        self.watches = 0
        self.generation = 0
        self.server = ""
        self.app = web.Application()
        self.app.router.add_route("*", "/{tail:.*}", self.handle)

    async def put(self, name: str, namespace: str = "default", uid: str = "", **data: str) -> Object:
        """Create or change an object from behind the server."""
        kind = "MODIFIED" if f"{namespace}/{name}" in self.objects else "ADDED"
        obj = self.add_silently(name, namespace, uid, **data)
        await self._record(kind, obj)
        return obj

    def add_silently(self, name: str, namespace: str = "default", uid: str = "", **data: str) -> Object:
        """Create or change an object without telling the watches, as if they had been away."""
        self.revision += 1
        obj = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": uid or f"uid-{name}",
                "resourceVersion": str(self.revision),
            },
            "data": data,
        }
        self.objects[f"{namespace}/{name}"] = obj
        return obj

    async def remove(self, name: str, namespace: str = "default", *, silent: bool = False) -> None:
        """Delete an object; `silent` leaves no trace in the log, as if the watches had been away."""
        self.revision += 1
        obj = self.objects.pop(f"{namespace}/{name}")
        if not silent:
            gone = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}
            await self._record("DELETED", gone)

    async def bookmark(self) -> None:
        """Send every watch the current revision."""
        self.revision += 1
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"resourceVersion": str(self.revision)}}
        await self._record("BOOKMARK", obj)

    async def _record(self, kind: str, obj: Object) -> None:
        async with self.changed:
            self.log.append((self.revision, kind, obj))
            self.changed.notify_all()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.answers:
            return await self.answers.pop(0)(request)
        return await self.handle_plainly(request)

    async def handle_plainly(self, request: web.Request) -> web.StreamResponse:
        """What the request asks for, without the prepared answers."""
        if request.method == "GET" and request.query.get("watch"):
            return await self._watch(request)
        if request.method == "GET" and request.path.endswith("/configmaps"):
            return self._list(request)
        name = request.path.rpartition("/")[2]
        obj = self.objects.get(f"{request.path.split('/')[4]}/{name}") if request.path.count("/") >= 4 else None
        if obj is None:
            return status(404, "NotFound", f'configmaps "{name}" not found')
        return web.json_response(obj)

    def _list(self, request: web.Request) -> web.Response:
        items = [
            {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for _, obj in sorted(self.objects.items())
        ]
        metadata: Object = {"resourceVersion": str(self.revision)}
        limit, start = int(request.query.get("limit", "0")), int(request.query.get("continue", "0"))
        if limit and start + limit < len(items):
            metadata["continue"] = str(start + limit)
        if limit:
            items = items[start : start + limit]
        return web.json_response({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "application/json"
        await response.prepare(request)
        after = int(request.query.get("resourceVersion") or 0)
        self.watches += 1
        if after < self.compacted:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": f"too old resource version: {after}"}
            await response.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            return response
        sent, generation = 0, self.generation
        while self.generation == generation:
            async with self.changed:
                while sent == len(self.log) and self.generation == generation:
                    await self.changed.wait()
                batch, sent = self.log[sent:], len(self.log)
            for revision, kind, obj in batch:
                if revision > after:
                    await response.write(json.dumps({"type": kind, "object": obj}).encode() + b"\n")
        return response

    async def close_watches(self) -> None:
        """End every open watch as a server timeout does."""
        self.generation += 1
        async with self.changed:
            self.changed.notify_all()


def status(code: int, reason: str, message: str, **headers: str) -> web.Response:
    """A Status answer."""
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code, headers=headers)
