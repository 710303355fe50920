"""A local copy of one kind, kept current by list and watch, that tells handlers what changed.

client-go's reflector and shared informer (tools/cache, v1.36) for one asyncio loop: the watch resumes from
the last revision or bookmark, lists again on 410, and waits longer and longer while the server is away.
Handlers are plain calls in stream order, so events of one object are never parallel: they put keys into a
`workqueue.WorkQueue` and return.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client.rest import Client, Object, Resource

log = logging.getLogger(__name__)

BACKOFF_S = (0.8, 30.0)
"""First and longest wait while the server does not answer, the reflector's numbers."""


def object_key(obj: Object) -> str:
    """`namespace/name`, or `name` alone for cluster-scoped objects."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def drop_managed_fields(obj: Object) -> Object:
    """Take out what is only of use to appliers, and is often the larger part of an object; for `transform`.

    The object is the informer's own. A server keeps the fields' owners when an update leaves them out.
    """
    obj["metadata"].pop("managedFields", None)
    return obj


def _version(obj: Object) -> Any:
    return obj["metadata"].get("resourceVersion")


@dataclass(frozen=True, slots=True)
class Handler:
    """Calls for each change; all must return at once. `on_delete` gets the last state known."""

    on_add: Callable[[Object], object] | None = None
    on_update: Callable[[Object, Object], object] | None = None
    on_delete: Callable[[Object], object] | None = None


IndexFunction = Callable[[Object], Iterable[str]]


class Informer:
    """The objects of one kind, optionally of one namespace or selector.

    `store` maps `object_key` to the object; treat objects as read-only and copy before changing one.
    `synced` is set once the first list is in the store and handlers have heard of it. `indexes` are
    functions from an object to the values under which `by_index` finds it. `transform` may shrink objects
    before they are stored.
    """

    def __init__(
        self,
        client: Client,
        kind: Resource,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        *,
        indexes: Mapping[str, IndexFunction] | None = None,
        transform: Callable[[Object], Object] | None = None,
    ) -> None:
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._transform = transform
        self._handlers: list[Handler] = []
        self._index_functions: dict[str, IndexFunction] = dict(indexes or {})
        self._indexes: dict[str, dict[str, dict[str, None]]] = {name: {} for name in self._index_functions}
        self._resource_version = ""
        self.store: dict[str, Object] = {}
        self.synced = asyncio.Event()

    @property
    def resource_version(self) -> str:
        """The revision the store is at, empty before the first list."""
        return self._resource_version

    def get(self, name: str, namespace: str | None = None) -> Object | None:
        """One object of the store."""
        return self.store.get(f"{namespace}/{name}" if namespace else name)

    def by_index(self, index: str, value: str) -> list[Object]:
        """The objects that the index function files under the value."""
        return [self.store[key] for key in self._indexes[index].get(value, ())]

    def index_size(self, index: str, value: str) -> int:
        """How many objects `by_index` would give."""
        return len(self._indexes[index].get(value, ()))

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add an index; objects already in the store are filed at once."""
        if name in self._index_functions:
            return
        self._index_functions[name] = function
        self._indexes[name] = {}
        for key, obj in self.store.items():
            for value in function(obj):
                self._indexes[name].setdefault(value, {})[key] = None

    def add_handler(
        self,
        on_add: Callable[[Object], object] | None = None,
        on_update: Callable[[Object, Object], object] | None = None,
        on_delete: Callable[[Object], object] | None = None,
    ) -> None:
        """Hear of changes from now on; objects already in the store are told as added at once."""
        handler = Handler(on_add, on_update, on_delete)
        self._handlers.append(handler)
        if on_add is not None:
            for obj in list(self.store.values()):
                on_add(obj)

    async def wait_synced(self, timeout_s: float = limits.REQUEST_TIMEOUT_S) -> None:
        """Wait for the first list. Raises ConnectionFailedError when it takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.synced.wait()
        except TimeoutError as error:
            raise ConnectionFailedError(f"no list of {self._kind.plural} in {timeout_s:g} s") from error

    async def run(self) -> None:
        """Keep the store current until cancelled.

        Only what no retry can heal ends it: StatusError 401, 403 and 404 before the first list.
        """
        first_s, longest_s = BACKOFF_S
        delay_s = first_s
        while True:
            try:
                if not self._resource_version:
                    await self._list()
                    delay_s = first_s
                if await self._watch():
                    delay_s = first_s
                    continue
            except StatusError as error:
                if error.code == 410:
                    self._resource_version = ""
                    continue
                if error.code in (401, 403, 404) and not self.synced.is_set():
                    raise
                log.warning("watch of %s: %s", self._kind.plural, error.message)
            except ConnectionFailedError as error:
                log.warning("watch of %s: %s", self._kind.plural, error.message)
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
            delay_s = min(delay_s * 2, longest_s)

    async def _list(self) -> None:
        page = await self._client.list(
            self._kind,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            limit=limits.LIST_PAGE_ITEMS,
        )
        fresh = {object_key(obj): obj for obj in page.items}
        for key in [key for key in self.store if key not in fresh]:
            self._remove(key, self.store[key])
        for key, obj in fresh.items():
            self._put(key, obj)
        self._resource_version = page.resource_version
        self.synced.set()

    async def _watch(self) -> bool:
        """One watch to its end; whether it brought anything."""
        heard = False
        events = self._client.watch(
            self._kind,
            self._namespace,
            resource_version=self._resource_version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        async with aclosing(events) as stream:
            async for event in stream:
                heard = True
                if event.type in ("ADDED", "MODIFIED"):
                    self._put(object_key(event.object), event.object)
                elif event.type == "DELETED":
                    self._remove(object_key(event.object), event.object)
                self._resource_version = event.object["metadata"]["resourceVersion"]
        return heard

    def _put(self, key: str, obj: Object) -> None:
        if self._transform is not None:
            obj = self._transform(obj)
        old = self.store.get(key)
        if old is not None and _version(old) == _version(obj):
            return
        self.store[key] = obj
        self._refile(key, old, obj)
        for handler in self._handlers:
            if old is None:
                if handler.on_add is not None:
                    handler.on_add(obj)
            elif old["metadata"].get("uid") != obj["metadata"].get("uid"):
                self._tell_replaced(handler, old, obj)
            elif handler.on_update is not None:
                handler.on_update(old, obj)

    @staticmethod
    def _tell_replaced(handler: Handler, old: Object, obj: Object) -> None:
        """Deleted and made again under one name while we were away: two events, as if we had seen both."""
        if handler.on_delete is not None:
            handler.on_delete(old)
        if handler.on_add is not None:
            handler.on_add(obj)

    def _remove(self, key: str, last: Object) -> None:
        old = self.store.pop(key, None)
        if old is None:
            return
        self._refile(key, old, None)
        for handler in self._handlers:
            if handler.on_delete is not None:
                handler.on_delete(last)

    def _refile(self, key: str, old: Object | None, new: Object | None) -> None:
        """Move an object from its old values to its new ones; most changes change none of them."""
        for name, function in self._index_functions.items():
            before = tuple(function(old)) if old is not None else ()
            after = tuple(function(new)) if new is not None else ()
            if before == after:
                continue
            index = self._indexes[name]
            for value in before:
                keys = index.get(value)
                if keys is not None:
                    keys.pop(key, None)
                    if not keys:
                        del index[value]
            for value in after:
                index.setdefault(value, {})[key] = None


class InformerSet:
    """One informer per question, shared by everything in the process that asks it; without managedFields."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[tuple[Any, ...], Informer] = {}
        self._group: asyncio.TaskGroup | None = None

    def informer(
        self, kind: Resource, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> Informer:
        """The informer for these arguments, made at the first call and started when the set runs."""
        key = (kind.group, kind.version, kind.plural, namespace or "", label_selector, field_selector)
        found = self._informers.get(key)
        if found is None:
            found = Informer(
                self._client, kind, namespace, label_selector, field_selector, transform=drop_managed_fields
            )
            self._informers[key] = found
            if self._group is not None:
                self._group.create_task(found.run())
        return found

    async def wait_synced(self, timeout_s: float = limits.REQUEST_TIMEOUT_S) -> None:
        """Wait until every informer has its first list."""
        for informer in list(self._informers.values()):
            await informer.wait_synced(timeout_s)

    async def run(self) -> None:
        """Run every informer, and those asked for later, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for informer in self._informers.values():
                    group.create_task(informer.run())
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None
