"""Where an object becomes durable: optimistic writes, revisions, watches.

Every change takes the next global revision, which is its resourceVersion. A write is checked on the event
loop against the newest state, pending writes included, and is acknowledged once its revision is on disk;
readers and watchers see only revisions that are on disk. So writers to one object need not wait for each
other's fsync, and nothing anyone has seen can be lost.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from podsysctl.apiserver import storelog
from podsysctl.apiserver.storeindex import Bucket, Change, ChangeType, Item, Topic, prefix_end
from podsysctl.apiserver.storelog import LogEntry, StoreFailedError
from podsysctl.apiserver.watchqueue import Watchers, WatchQueue
from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError
from podsysctl.objects import keptjson
from podsysctl.objects.patch import tree

T = TypeVar("T")


class KeyExistsError(PodsysctlError):
    """A create found its key taken."""

    reason = "KeyExists"


class StaleError(PodsysctlError):
    """A write expected another revision than the newest; `current` is the newest, None when deleted."""

    reason = "Stale"

    def __init__(self, message: str, current: Item | None) -> None:
        super().__init__(message)
        self.current = current


class CompactedError(PodsysctlError):
    """A revision asked for is older than the log reaches."""

    reason = "Compacted"

    def __init__(self, requested: int, compacted: int) -> None:
        super().__init__(f"revision {requested} was compacted, the oldest is {compacted}")
        self.requested = requested
        self.compacted = compacted


@dataclass(frozen=True, slots=True)
class _Pending:
    """A change on its way to the disk, and the future that tells when it is there."""

    change: Change
    future: asyncio.Future[int]


class Store:
    """All objects of the API server, in one directory. Use from one event loop only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._buckets: dict[str, Bucket] = {}
        self._watches: dict[str, Watchers] = {}
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._loaded_rev = 0
        self._epoch = 0
        self._next_rev = 1
        self._lock_fd = -1
        self._writer: storelog.LogWriter | None = None
        self._reader: sqlite3.Connection | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._observers: list[Callable[[Change], None]] = []
        self.revision = 0
        """The newest revision on disk."""
        self.compacted = 0
        """Revisions below this one can no longer be watched from or listed at."""

    async def open(self) -> None:
        """Load the objects and start the writing thread. Raises StoreFailedError."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_fd = _take_lock(self._directory / "lock")
        path = self._directory / "state.db"
        connection = storelog.connect(path)
        path.chmod(0o600)
        self._reader = storelog.connect(path)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        by_resource: dict[str, list[Item]] = {}
        for resource, item in await asyncio.to_thread(lambda: list(storelog.load_current(connection))):
            by_resource.setdefault(resource, []).append(item)
        for resource, items in by_resource.items():
            self._bucket(resource).load(items)
        self.revision, self.compacted = storelog.load_meta(connection)
        for bucket in self._buckets.values():
            bucket.last_rev = self.revision
        self._loaded_rev = self.revision
        self._next_rev = self.revision + 1
        self._writer = storelog.LogWriter(connection)
        self._writer.start()

    def end_watches(self) -> None:
        """Close every watcher's queue."""
        for watchers in self._watches.values():
            watchers.close()

    async def close(self) -> None:
        """Write what is waiting, end all watches and release the directory."""
        self.end_watches()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.stop)
            self._writer = None
        if self._pool is not None:
            self._pool.shutdown()
        if self._reader is not None:
            self._reader.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    @property
    def is_open(self) -> bool:
        """Whether writes are taken."""
        return self._writer is not None

    # --- reading -------------------------------------------------------------------------------------------

    def get(self, resource: str, key: str) -> Item | None:
        """The newest durable version."""
        return self._bucket(resource).items.get(key)

    def head(self, resource: str, key: str) -> Item | None:
        """The newest version, writes on their way to the disk included: what a writer must build upon."""
        pending = self._pending.get((resource, key))
        if pending is not None:
            return None if pending.change.type is ChangeType.DELETED else pending.change.item
        return self._bucket(resource).items.get(key)

    def range(self, resource: str, prefix: str = "", after: str = "", limit: int = 0) -> list[Item]:
        """Durable versions whose key begins with `prefix` and sorts at or after `after`, in key order."""
        return self._bucket(resource).range(prefix, after, limit)

    def of_topic(self, resource: str, prefix: str, topic: Topic) -> list[Item]:
        """Durable versions that a topic selects, in key order, found without looking at the others."""
        return self._bucket(resource).of_topic(prefix, topic)

    def count(self, resource: str, prefix: str = "", after: str = "") -> int:
        """How many objects `range` without a limit would return."""
        start, end = self._bucket(resource).span(prefix, after)
        return end - start

    def counts(self) -> dict[str, int]:
        """How many objects each resource has, those without any left out."""
        return {name: len(bucket.items) for name, bucket in self._buckets.items() if bucket.items}

    def last_revision(self, resource: str) -> int:
        """The newest revision that changed the resource, or a later one."""
        return self._bucket(resource).last_rev

    async def range_at(
        self, resource: str, revision: int, prefix: str = "", after: str = "", limit: int = 0
    ) -> list[Item]:
        """As `range`, but of the objects as they were at a past revision. Raises CompactedError."""
        self._check_compacted(revision)
        if self._bucket(resource).last_rev <= revision:
            return self.range(resource, prefix, after, limit)
        start = max(prefix, after)
        end = prefix_end(prefix) if prefix else ""
        items = await self._read(lambda db: storelog.load_range(db, resource, start, end, limit, revision))
        self._check_compacted(revision)  # compaction may have gone by while the disk was read
        return items

    # --- writing -------------------------------------------------------------------------------------------

    async def create(self, resource: str, key: str, obj: dict[str, Any]) -> Item:
        """Store a new object and set its resourceVersion. Raises KeyExistsError, StoreFailedError."""
        if self.head(resource, key) is not None:
            raise KeyExistsError(f"{resource} {key} exists")
        return await self._commit(ChangeType.ADDED, resource, key, obj, None)

    async def update(self, resource: str, key: str, obj: dict[str, Any], expected_rev: int) -> Item:
        """Replace an object whose newest revision is `expected_rev` and set its resourceVersion.

        Content equal to the stored one takes no revision. Raises StaleError, StoreFailedError.
        """
        current = self.head(resource, key)
        if current is None or current.rev != expected_rev:
            raise StaleError(f"{resource} {key} is not at revision {expected_rev}", current)
        obj["metadata"]["resourceVersion"] = str(current.rev)
        data = orjson.dumps(obj)
        if len(data) == len(current.data) and (data == current.data or tree.equal(orjson.loads(current.data), obj)):
            pending = self._pending.get((resource, key))
            if pending is not None:
                await asyncio.shield(pending.future)
            return current
        return await self._commit(ChangeType.MODIFIED, resource, key, obj, current)

    async def delete(self, resource: str, key: str, obj: dict[str, Any], expected_rev: int) -> Item:
        """Remove an object whose newest revision is `expected_rev`; `obj` is its last state.

        Raises StaleError, StoreFailedError.
        """
        current = self.head(resource, key)
        if current is None or current.rev != expected_rev:
            raise StaleError(f"{resource} {key} is not at revision {expected_rev}", current)
        return await self._commit(ChangeType.DELETED, resource, key, obj, current)

    async def compact_before(self, written_at: float) -> None:
        """Forget the history of before a time in seconds since the epoch."""
        await self.compact(await self._read(lambda db: storelog.load_revision_before(db, written_at)))

    async def compact(self, revision: int) -> None:
        """Forget history before `revision`; older watches and lists are refused from now on."""
        if revision <= self.compacted or self._writer is None:
            return
        self.compacted = revision
        while await self._compact_step(self._writer, revision) == limits.STORE_COMPACT_ROWS:
            pass

    # --- watching ------------------------------------------------------------------------------------------

    def observe(self, observer: Callable[[Change], None]) -> None:
        """Call `observer` on the loop for every durable change, before any watcher sees it."""
        self._observers.append(observer)

    def subscribe(self, resource: str, prefix: str = "", topic: Topic | None = None) -> WatchQueue:
        """A queue of the changes after the present revision; close it when done."""
        return self._watches.setdefault(resource, Watchers()).subscribe(prefix, self.revision, topic)

    async def history(self, resource: str, prefix: str, after: int, until: int) -> AsyncIterator[Change]:
        """Changes with after < revision <= until, oldest first. Raises CompactedError."""
        self._check_compacted(after)
        if self._bucket(resource).last_rev <= after:
            return
        while after < until:
            page = await self._read(
                lambda db, start=after: storelog.load_changes(  # type: ignore[misc]
                    db, resource, start, until, limits.STORE_HISTORY_PAGE
                )
            )
            self._check_compacted(after)  # else the page may lack what was removed between it and the one before
            for change in page:
                if change.item.key.startswith(prefix):
                    yield change
            if len(page) < limits.STORE_HISTORY_PAGE:
                return
            after = page[-1].rev

    # --- inside --------------------------------------------------------------------------------------------

    def _bucket(self, resource: str) -> Bucket:
        bucket = self._buckets.get(resource)
        if bucket is None:
            bucket = self._buckets[resource] = Bucket(last_rev=self._loaded_rev)
        return bucket

    def _check_compacted(self, revision: int) -> None:
        """Raises CompactedError when the log no longer has all that happened since a revision."""
        if revision < self.compacted:
            raise CompactedError(revision, self.compacted)

    async def _compact_step(self, writer: storelog.LogWriter, revision: int) -> int:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()

        def done(count: int, error: BaseException | None) -> None:
            loop.call_soon_threadsafe(_settle, future, count, error)

        writer.maintain(lambda db: storelog.compact_step(db, revision), done)
        return await future

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        reader = self._reader
        if reader is None or self._pool is None:
            raise StoreFailedError("the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, query, reader)
        except sqlite3.Error as error:
            raise StoreFailedError(f"read from the database failed: {error}") from error

    async def _commit(
        self, kind: ChangeType, resource: str, key: str, obj: dict[str, Any], previous: Item | None
    ) -> Item:
        if self._writer is None:
            raise StoreFailedError("the store is closed")
        rev = self._next_rev
        self._next_rev += 1
        obj["metadata"]["resourceVersion"] = str(rev)
        item = Item(key, rev, keptjson.dumps(obj), storelog.wall_time_s())
        change = Change(kind, resource, rev, item, previous)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        future.add_done_callback(_retrieve)
        self._pending[resource, key] = _Pending(change, future)

        def done(error: BaseException | None) -> None:
            loop.call_soon_threadsafe(self._settled, change, future, error)

        self._writer.append(LogEntry(change, self._epoch, done))
        await asyncio.shield(future)
        return item

    def _settled(self, change: Change, future: asyncio.Future[int], error: BaseException | None) -> None:
        key = (change.resource, change.item.key)
        pending = self._pending.get(key)
        if pending is not None and pending.change is change:
            del self._pending[key]
        if error is None:
            self._publish(change)
        elif self._writer is not None and self._epoch != self._writer.epoch:
            # What was built upon the failed batch fails too; new writes start from what is on disk.
            self._epoch = self._writer.epoch
            self._pending.clear()
        _settle(future, change.rev, error)

    def _publish(self, change: Change) -> None:
        bucket = self._bucket(change.resource)
        if change.type is ChangeType.DELETED:
            bucket.drop(change.item.key, change.rev)
        else:
            bucket.put(change.item)
        self.revision = change.rev
        for observer in self._observers:
            observer(change)
        watchers = self._watches.get(change.resource)
        if watchers is not None:
            watchers.publish(change)


def _retrieve(future: asyncio.Future[int]) -> None:
    """Mark a failure as seen: its caller may have gone away."""
    if not future.cancelled():
        future.exception()


def _settle(future: asyncio.Future[int], result: int, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _take_lock(path: Path) -> int:
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise StoreFailedError(
            f"data directory {path.parent} is in use by another process", hint="stop the other server first"
        ) from error
    return fd
