"""watch: the changes after a revision, as they become durable.

A watch subscribes first and then reads what it missed from the log, so that nothing falls between. Selector
transitions become ADDED and DELETED, as in Kubernetes 1.36 `apiserver/pkg/storage/cacher`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable

import orjson
from aiohttp import web

from podsysctl.apiserver import options, respond, selection
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.get_list import check_known_revision
from podsysctl.apiserver.negotiate import JSON
from podsysctl.apiserver.options import ListOptions
from podsysctl.apiserver.selection import Selection
from podsysctl.apiserver.shape import Shaper
from podsysctl.apiserver.store import CompactedError
from podsysctl.apiserver.storeindex import Change, ChangeType, Item
from podsysctl.apiserver.watchqueue import WatchQueue
from podsysctl.base import limits
from podsysctl.base.errors import StatusError
from podsysctl.objects import status

_ADDED, _MODIFIED, _DELETED = ChangeType.ADDED, ChangeType.MODIFIED, ChangeType.DELETED


async def watch(call: Call) -> web.StreamResponse:
    """Stream changes until the client leaves, the time is over or the client is too slow."""
    wanted = options.parse_list(call.query, watch=True)
    chosen = selection.named(selection.parse(call.resource, wanted), call.info.name)
    shaper = Shaper(call, respond.output_of(call))
    if wanted.send_initial_events:
        check_known_revision(call, wanted.resource_version)
    if call.server.watches >= limits.WATCHES:
        raise status.too_many_requests("too many open watches, please try again later", 1)
    call.server.watches += 1
    queue = call.store.subscribe(call.resource.bucket, _prefix(call, chosen), selection.topic_of(chosen))
    cuts: list[asyncio.TimerHandle] = []
    queue.on_overrun = lambda: cuts.append(_cut_later(call))
    try:
        response = web.StreamResponse(headers=respond.headers(call.warnings))
        response.content_type = JSON
        await response.prepare(call.http)
        stream = _Stream(call, wanted, chosen, shaper, queue)
        async for chunk in stream.run():
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        call.audit["ended"] = "client left"
    finally:
        queue.close()
        call.server.watches -= 1
        for cut in cuts:
            cut.cancel()
    return response


def _cut_later(call: Call) -> asyncio.TimerHandle:
    """End the connection of a client that is too slow, after some time to take what is on its way.

    One that does not read at all would keep the handler waiting to write, and its place among the watches, for ever.
    """

    def cut() -> None:
        if call.http.transport is not None:
            call.http.transport.abort()

    return asyncio.get_running_loop().call_later(limits.STREAM_CLOSE_TIMEOUT_S, cut)


def _prefix(call: Call, chosen: Selection) -> str:
    """What keys of interest begin with: the namespace, and the name where one is fixed."""
    prefix = call.resource.prefix(call.info.namespace)
    if chosen.name is not None and (prefix or not call.resource.kind.namespaced):
        return call.resource.key(call.info.namespace, chosen.name)
    return prefix


class _Stream:
    """One watch on its way: which events it sends, in which order."""

    def __init__(
        self, call: Call, wanted: ListOptions, chosen: Selection, shaper: Shaper, queue: WatchQueue
    ) -> None:
        self._call = call
        self._wanted = wanted
        self._chosen = chosen
        self._shaper = shaper
        self._queue = queue
        self._first = True
        self._clock = call.server.clock
        seconds = wanted.timeout_s or random.uniform(limits.WATCH_TIMEOUT_S * 2 / 3, limits.WATCH_TIMEOUT_S * 4 / 3)
        self._deadline_s = self._clock.monotonic_s() + seconds

    async def run(self) -> AsyncIterator[bytes]:
        """Chunks of whole lines."""
        try:
            async for chunk in self._past():
                yield chunk
        except CompactedError as error:
            expired = status.too_old_resource_version(error.requested, error.compacted)
            yield _error_line(expired)
            return
        async for chunk in self._live():
            yield chunk

    async def _past(self) -> AsyncIterator[bytes]:
        """What was there before the subscription: present objects, or the changes since a revision."""
        wanted, store = self._wanted, self._call.store
        initial = wanted.send_initial_events
        if initial or (initial is None and wanted.revision == 0):
            items = store.range(self._call.resource.bucket, self._queue.prefix)
            self._queue.since = store.revision
            step = limits.LIST_CHUNK_ITEMS
            for start in range(0, len(items), step):
                part = [item for item in items[start : start + step] if self._chosen.matches(item)]
                if part:
                    yield b"".join(self._line(_ADDED, item) for item in part)
            if initial and wanted.bookmarks:
                yield self._shaper.bookmark(self._queue.since, initial_end=True)
            return
        if wanted.revision == 0:
            return
        since = self._queue.since
        if wanted.revision > since:
            self._queue.since = wanted.revision
            return
        async for change in store.history(
            self._call.resource.bucket, self._queue.prefix, wanted.revision, since
        ):
            line = self._change(change)
            if line:
                yield line

    async def _live(self) -> AsyncIterator[bytes]:
        bookmark_s = self._clock.monotonic_s() + limits.WATCH_BOOKMARK_S
        revision = self._queue.since
        while not self._queue.closed:
            now_s = self._clock.monotonic_s()
            if now_s >= self._deadline_s:
                break
            next_s = min(self._deadline_s, bookmark_s) if self._wanted.bookmarks else self._deadline_s
            # What is on disk now has been queued already: once the queue is empty, this revision is reached.
            reached = self._call.store.revision
            changes = await self._queue.take(max(next_s - now_s, 0.001))
            if changes:
                revision = changes[-1].rev
                chunk = b"".join(self._lines(changes))
                if chunk:
                    yield chunk
            else:
                revision = max(revision, reached)
            if self._wanted.bookmarks and self._clock.monotonic_s() >= bookmark_s:
                bookmark_s = self._clock.monotonic_s() + limits.WATCH_BOOKMARK_S
                yield self._shaper.bookmark(revision)
        if self._wanted.bookmarks and not self._queue.overrun:
            yield self._shaper.bookmark(revision)

    def _lines(self, changes: Iterable[Change]) -> Iterable[bytes]:
        for change in changes:
            if change.rev > self._queue.since:
                line = self._change(change)
                if line:
                    yield line

    def _change(self, change: Change) -> bytes:
        """The line of one change, or nothing when the selectors see none."""
        if self._chosen.empty:
            return self._line(change.type, change.item)
        before = change.previous is not None and self._chosen.matches(change.previous)
        if change.type is _DELETED:
            return self._line(_DELETED, change.item) if before else b""
        now = self._chosen.matches(change.item)
        if now:
            return self._line(_MODIFIED if before else _ADDED, change.item)
        if before and change.previous is not None:
            return self._line(_DELETED, _restamped(change.previous, change.rev))
        return b""

    def _line(self, event_type: ChangeType, item: Item) -> bytes:
        line = self._shaper.event(event_type.value, item, first=self._first)
        self._first = False
        return line


def _restamped(item: Item, revision: int) -> Item:
    """The last version that matched, with the revision at which it ceased to."""
    obj = orjson.loads(item.data)
    obj["metadata"]["resourceVersion"] = str(revision)
    return Item(item.key, revision, orjson.dumps(obj), item.written_at)


def _error_line(error: StatusError) -> bytes:
    return orjson.dumps({"type": "ERROR", "object": error.to_dict()}) + b"\n"
