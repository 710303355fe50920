"""The store: revisions, durability, conflicts, history."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from podsysctl.apiserver import storelog
from podsysctl.apiserver.store import CompactedError, KeyExistsError, StaleError, Store
from podsysctl.apiserver.storeindex import ChangeType, Item
from podsysctl.apiserver.storelog import StoreFailedError
from podsysctl.base import limits

PODS = "core/pods"


def obj(name: str, **extra: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name}, **extra}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "data")
    await opened.open()
    yield opened
    await opened.close()


async def test_create_sets_resource_version_to_the_revision(store: Store) -> None:
    """A created object carries its revision as resourceVersion."""
    made = obj("a")
    item = await store.create(PODS, "ns/a", made)
    assert made["metadata"]["resourceVersion"] == str(item.rev) == str(store.revision)
    assert orjson.loads(item.data) == made
    assert store.get(PODS, "ns/a") is item


async def test_create_twice_is_refused(store: Store) -> None:
    """A key is taken from the moment its first create began, durable or not."""
    results = await asyncio.gather(
        store.create(PODS, "ns/a", obj("a")), store.create(PODS, "ns/a", obj("a")), return_exceptions=True
    )
    assert sum(isinstance(r, KeyExistsError) for r in results) == 1


async def test_update_of_another_revision_is_refused(store: Store) -> None:
    """An update must name the newest revision, and is told what that is."""
    first = await store.create(PODS, "ns/a", obj("a"))
    second = await store.update(PODS, "ns/a", obj("a", x=1), first.rev)
    with pytest.raises(StaleError) as caught:
        await store.update(PODS, "ns/a", obj("a", x=2), first.rev)
    assert caught.value.current is second


async def test_update_without_change_takes_no_revision(store: Store) -> None:
    """Equal content keeps its revision, in whatever order its keys come."""
    first = await store.create(PODS, "ns/a", obj("a", x=1, y=2))
    again = await store.update(PODS, "ns/a", {"y": 2, "x": 1, **obj("a")}, first.rev)
    assert again is first
    assert store.revision == first.rev


async def test_updates_in_flight_build_upon_each_other(store: Store) -> None:
    """A writer sees writes that are not on disk yet, so a chain of updates shares an fsync."""
    await store.create(PODS, "ns/a", obj("a", n=0))

    async def bump() -> None:
        while True:
            head = store.head(PODS, "ns/a")
            assert head is not None
            value = orjson.loads(head.data)
            value["n"] += 1
            try:
                await store.update(PODS, "ns/a", value, head.rev)
            except StaleError:
                continue
            return

    await asyncio.gather(*(bump() for _ in range(50)))
    final = store.get(PODS, "ns/a")
    assert final is not None
    assert orjson.loads(final.data)["n"] == 50


async def test_delete_leaves_nothing_and_carries_its_revision(store: Store) -> None:
    """After a delete the key is free, and the last state has the deletion's revision."""
    first = await store.create(PODS, "ns/a", obj("a"))
    last = await store.delete(PODS, "ns/a", obj("a"), first.rev)
    assert store.get(PODS, "ns/a") is None
    assert orjson.loads(last.data)["metadata"]["resourceVersion"] == str(last.rev) == str(first.rev + 1)
    await store.create(PODS, "ns/a", obj("a"))


async def test_list_follows_byte_order_of_keys_and_namespace_prefix(store: Store) -> None:
    """Keys sort as bytes, so that pages continue where the last one ended."""
    for key in ("b/x", "a-b/x", "a/y", "a/x"):
        await store.create(PODS, key, obj(key))
    assert [i.key for i in store.range(PODS)] == ["a-b/x", "a/x", "a/y", "b/x"]
    assert [i.key for i in store.range(PODS, "a/")] == ["a/x", "a/y"]
    assert [i.key for i in store.range(PODS, "a/", after="a/x\0")] == ["a/y"]
    assert store.count(PODS, "a/") == 2


async def test_list_at_shows_the_past(store: Store) -> None:
    """A snapshot has what was there at its revision: later creates, updates and deletes do not show."""
    first = await store.create(PODS, "ns/a", obj("a", n=1))
    second = await store.create(PODS, "ns/b", obj("b"))
    await store.update(PODS, "ns/a", obj("a", n=2), first.rev)
    await store.delete(PODS, "ns/b", obj("b"), second.rev)
    await store.create(PODS, "ns/c", obj("c"))
    past = await store.range_at(PODS, second.rev, "ns/")
    assert [(i.key, i.rev) for i in past] == [("ns/a", first.rev), ("ns/b", second.rev)]
    assert [i.key for i in await store.range_at(PODS, second.rev, "ns/", after="ns/a\0", limit=1)] == ["ns/b"]


async def test_restart_keeps_objects_history_and_revision(tmp_path: Path) -> None:
    """A new process finds the objects, resumes watches from the log and never reuses a revision."""
    store = Store(tmp_path)
    await store.open()
    first = await store.create(PODS, "ns/a", obj("a"))
    second = await store.update(PODS, "ns/a", obj("a", x=1), first.rev)
    gone = await store.create("core/secrets", "ns/s", obj("s"))
    await store.delete("core/secrets", "ns/s", obj("s"), gone.rev)
    await store.close()
    again = Store(tmp_path)
    await again.open()
    try:
        assert again.revision == gone.rev + 1
        found = again.get(PODS, "ns/a")
        assert found is not None
        assert found.data == second.data
        changes = [c async for c in again.history(PODS, "ns/", first.rev, again.revision)]
        assert [(c.type, c.rev, c.previous and c.previous.rev) for c in changes] == [
            (ChangeType.MODIFIED, second.rev, first.rev)
        ]
        deleted = [c async for c in again.history("core/secrets", "", gone.rev, again.revision)]
        assert [c.type for c in deleted] == [ChangeType.DELETED]
        assert (await again.create(PODS, "ns/b", obj("b"))).rev == gone.rev + 2
    finally:
        await again.close()


async def test_watch_receives_changes_of_its_prefix_in_order(store: Store) -> None:
    """A subscriber sees each durable change once, in revision order."""
    queue = store.subscribe(PODS, "ns/")
    await asyncio.gather(*(store.create(PODS, f"ns/p{n}", obj(f"p{n}")) for n in range(20)))
    await store.create(PODS, "other/x", obj("x"))
    changes = await queue.take(1)
    assert [c.rev for c in changes] == list(range(1, 21))
    queue.close()
    assert await queue.take(1) == []


async def test_watch_too_slow_is_closed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue ends its watch and frees the memory; the others go on."""
    monkeypatch.setattr("podsysctl.base.limits.WATCH_QUEUE_EVENTS", 3)
    slow = store.subscribe(PODS)
    for n in range(5):
        await store.create(PODS, f"ns/p{n}", obj(f"p{n}"))
    assert slow.closed
    assert await slow.take(1) == []


async def test_compaction_forgets_history_and_keeps_objects(tmp_path: Path) -> None:
    """Below the compacted revision watches and snapshots are refused; live objects stay."""
    store = Store(tmp_path)
    await store.open()
    item = await store.create(PODS, "ns/a", obj("a"))
    for n in range(5):
        item = await store.update(PODS, "ns/a", obj("a", n=n), item.rev)
    other = await store.create(PODS, "ns/b", obj("b"))
    await store.delete(PODS, "ns/b", obj("b"), other.rev)
    await store.compact(store.revision)
    for _ in range(2):
        with pytest.raises(CompactedError):
            await store.range_at(PODS, 1)
        with pytest.raises(CompactedError):
            [c async for c in store.history(PODS, "", 1, store.revision)]
        assert [c async for c in store.history(PODS, "", store.revision, store.revision)] == []
        assert [i.key for i in store.range(PODS)] == ["ns/a"]
        revision = store.revision
        await store.close()
        store = Store(tmp_path)
        await store.open()
        assert store.revision == revision
    await store.close()


async def test_failed_write_fails_those_built_upon_it(store: Store) -> None:
    """When the disk refuses a batch its callers hear it, readers never saw it, and later writes work."""
    first = await store.create(PODS, "ns/a", obj("a"))
    assert store._writer is not None
    connection = store._writer._connection
    connection.execute("PRAGMA query_only=ON")
    one = asyncio.create_task(store.update(PODS, "ns/a", obj("a", n=1), first.rev))
    two = asyncio.create_task(store.create(PODS, "ns/b", obj("b")))
    for task in (one, two):
        with pytest.raises(StoreFailedError):
            await task
    connection.execute("PRAGMA query_only=OFF")
    assert store.head(PODS, "ns/a") is first
    assert store.get(PODS, "ns/b") is None
    assert (await store.create(PODS, "ns/b", obj("b"))).rev > first.rev


async def test_second_process_on_one_directory_is_refused(store: Store, tmp_path: Path) -> None:
    """The directory belongs to one store at a time."""
    with pytest.raises(StoreFailedError, match="in use"):
        await Store(tmp_path / "data").open()


_VICTIM = """
import asyncio, sys
from pathlib import Path
from podsysctl.apiserver.store import Store

async def main():
    store = Store(Path(sys.argv[1]))
    await store.open()
    async def write(worker):
        for n in range(100000):
            key = f"ns/{worker}-{n}"
            await store.create("core/pods", key, {"metadata": {"name": key}})
            sys.stdout.write(key + "\\n")
            sys.stdout.flush()
    await asyncio.gather(*(write(w) for w in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 37, 400])
def test_acknowledged_write_survives_sigkill(tmp_path: Path, lines: int) -> None:
    """Whatever a killed process had acknowledged is there when the next one opens the store."""
    with subprocess.Popen([sys.executable, "-c", _VICTIM, str(tmp_path)], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        acknowledged = [victim.stdout.readline().decode().strip() for _ in range(lines)]
        os.kill(victim.pid, signal.SIGKILL)
        acknowledged += [line.decode().strip() for line in victim.stdout if line.endswith(b"\n")]
    assert len(acknowledged) >= lines
    assert asyncio.run(_missing(tmp_path, acknowledged)) == []


async def _missing(directory: Path, keys: list[str]) -> list[str]:
    store = Store(directory)
    await store.open()
    try:
        return [key for key in keys if store.get(PODS, key) is None]
    finally:
        await store.close()


async def test_compaction_by_age_keeps_what_is_younger(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only history from before the given time goes; with nothing older, nothing happens."""
    times = iter((100.0, 200.0, 300.0))
    monkeypatch.setattr("podsysctl.apiserver.storelog.wall_time_s", lambda: next(times))
    item = await store.create(PODS, "ns/a", obj("a"))
    for n in (1, 2):
        item = await store.update(PODS, "ns/a", obj("a", n=n), item.rev)
    await store.compact_before(50)
    assert store.compacted == 0
    await store.compact_before(250)
    assert store.compacted == 2
    assert [c.rev async for c in store.history(PODS, "", 2, store.revision)] == [3]


async def test_history_that_compaction_overtakes_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that is catching up learns that changes were removed before it came to them; it never misses any."""
    monkeypatch.setattr(limits, "STORE_HISTORY_PAGE", 2)
    item = await store.create(PODS, "ns/a", obj("a"))
    for n in range(6):
        item = await store.update(PODS, "ns/a", obj("a", n=n), item.rev)
    history = store.history(PODS, "", 1, store.revision)
    assert [(await anext(history)).rev, (await anext(history)).rev] == [2, 3]
    await store.compact(store.revision)
    with pytest.raises(CompactedError):
        await anext(history)


async def test_snapshot_that_compaction_overtakes_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read while its versions are being removed is no snapshot."""
    compacted = threading.Event()
    load = storelog.load_range

    def late(*arguments: Any) -> list[Item]:
        compacted.wait(10)
        return load(*arguments)

    monkeypatch.setattr(storelog, "load_range", late)
    item = await store.create(PODS, "ns/a", obj("a"))
    await store.update(PODS, "ns/a", obj("a", n=1), item.rev)
    reading = asyncio.ensure_future(store.range_at(PODS, item.rev))
    await asyncio.sleep(0)
    await store.compact(store.revision)
    compacted.set()
    with pytest.raises(CompactedError):
        await reading


async def test_write_after_a_failed_compaction_is_stored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while history is removed fails that alone: its transaction is undone."""

    def fail(connection: sqlite3.Connection, _: int) -> int:
        connection.execute("BEGIN IMMEDIATE")
        raise sqlite3.OperationalError("database or disk is full")

    item = await store.create(PODS, "ns/a", obj("a"))
    monkeypatch.setattr(storelog, "compact_step", fail)
    with pytest.raises(StoreFailedError, match="disk is full"):
        await store.compact(item.rev)
    await store.create(PODS, "ns/b", obj("b"))
    assert store.get(PODS, "ns/b") is not None
