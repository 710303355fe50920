"""The revision log on disk: one SQLite file, one writing thread, one reading connection.

A batch of changes is one transaction and one fsync, however many callers wait for it (WAL with
synchronous=FULL). The log is append-only; compaction removes versions that were already replaced or deleted
at the compaction revision, and remembers that revision so that older watches are told `Expired`.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from podsysctl.apiserver.storeindex import Change, ChangeType, Item
from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  rev INTEGER PRIMARY KEY,
  resource TEXT NOT NULL,
  key TEXT NOT NULL,
  op INTEGER NOT NULL,
  prev INTEGER NOT NULL,
  at REAL NOT NULL,
  value BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS log_key ON log (resource, key, rev);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

_OPS = (ChangeType.ADDED, ChangeType.MODIFIED, ChangeType.DELETED)
_OP_NUMBER = {op: number for number, op in enumerate(_OPS)}


class StoreFailedError(PodsysctlError):
    """The database could not be opened, read or written."""

    reason = "StoreFailed"


@dataclass(frozen=True, slots=True, eq=False)
class LogEntry:
    """One revision on its way to the disk, made when `epoch` batches had failed."""

    change: Change
    epoch: int
    done: Callable[[BaseException | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """Maintenance that runs on the writing thread between batches."""

    run: Callable[[sqlite3.Connection], int]
    done: Callable[[int, BaseException | None], None]


def connect(path: Path) -> sqlite3.Connection:
    """Open the database for use from another thread. Raises StoreFailedError."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA cache_size=-{limits.STORE_CACHE_KIB}")
        connection.executescript(_SCHEMA)
    except sqlite3.Error as error:
        raise StoreFailedError(f"database {path}: {error}") from error
    return connection


def load_current(connection: sqlite3.Connection) -> Iterator[tuple[str, Item]]:
    """Every live object as (resource, item), in order of resource and key."""
    rows = connection.execute(
        "SELECT l.resource, l.key, l.rev, l.value, l.at FROM log l JOIN"
        " (SELECT MAX(rev) AS rev FROM log GROUP BY resource, key) newest ON newest.rev = l.rev"
        " WHERE l.op != 2 ORDER BY l.resource, l.key"
    )
    for resource, key, rev, value, at in rows:
        yield resource, Item(key, rev, value, at)


def load_meta(connection: sqlite3.Connection) -> tuple[int, int]:
    """The newest revision and the compacted one."""
    row = connection.execute("SELECT MAX(rev) FROM log").fetchone()
    meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    compacted = meta.get("compacted", 0)
    return max(row[0] or 0, meta.get("revision", 0), compacted), compacted


def load_range(
    connection: sqlite3.Connection, resource: str, start: str, end: str, limit: int, revision: int
) -> list[Item]:
    """Objects with start <= key < end (no upper bound when `end` is empty) as they were at `revision`."""
    rows = connection.execute(
        "SELECT l.key, l.rev, l.value, l.at FROM log l WHERE l.resource = ?1 AND l.key >= ?2"
        " AND (?3 = '' OR l.key < ?3) AND l.op != 2 AND l.rev ="
        " (SELECT MAX(n.rev) FROM log n WHERE n.resource = ?1 AND n.key = l.key AND n.rev <= ?5)"
        " ORDER BY l.key LIMIT ?4",
        (resource, start, end, limit or -1, revision),
    )
    return [Item(key, rev, value, at) for key, rev, value, at in rows]


def load_revision_before(connection: sqlite3.Connection, written_at: float) -> int:
    """The newest revision written before a time in seconds since the epoch, 0 when there is none."""
    row = connection.execute("SELECT rev FROM log WHERE at < ? ORDER BY rev DESC LIMIT 1", (written_at,)).fetchone()
    return row[0] if row else 0


def load_changes(
    connection: sqlite3.Connection, resource: str, after: int, until: int, limit: int
) -> list[Change]:
    """Revisions of one resource with after < rev <= until, oldest first, at most `limit`."""
    rows = connection.execute(
        "SELECT l.rev, l.key, l.op, l.value, l.at, p.rev, p.value, p.at FROM log l"
        " LEFT JOIN log p ON p.rev = l.prev WHERE l.rev > ? AND l.rev <= ? AND l.resource = ?"
        " ORDER BY l.rev LIMIT ?",
        (after, until, resource, limit),
    )
    out = []
    for rev, key, op, value, at, prev_rev, prev_value, prev_at in rows:
        previous = None if prev_rev is None else Item(key, prev_rev, prev_value, prev_at)
        out.append(Change(_OPS[op], resource, rev, Item(key, rev, value, at), previous))
    return out


class LogWriter:
    """The one thread that writes: it takes whatever is waiting as one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[LogEntry | _Job | None] = queue.SimpleQueue()
        self.epoch = 0
        """How many batches failed; entries that were made before the last failure are refused."""
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to take entries."""
        self._thread.start()

    def append(self, entry: LogEntry) -> None:
        """Hand over one revision; `entry.done` runs on the writing thread once it is durable or refused."""
        self._queue.put(entry)

    def maintain(
        self, run: Callable[[sqlite3.Connection], int], done: Callable[[int, BaseException | None], None]
    ) -> None:
        """Run a short piece of maintenance between two batches."""
        self._queue.put(_Job(run, done))

    def stop(self) -> None:
        """Write what is waiting, then close the connection. Blocks until done."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            waiting = [self._queue.get()]
            while not self._queue.empty() and len(waiting) < limits.STORE_BATCH_ENTRIES:
                waiting.append(self._queue.get())
            entries: list[LogEntry] = []
            for thing in waiting:
                if isinstance(thing, LogEntry):
                    entries.append(thing)
                    continue
                self._write(entries)
                entries = []
                if thing is None:
                    return
                self._maintain(thing)
            self._write(entries)

    def _write(self, entries: list[LogEntry]) -> None:
        accepted = [entry for entry in entries if entry.epoch == self.epoch]
        for entry in entries:
            if entry.epoch != self.epoch:
                entry.done(StoreFailedError("a write before this one failed"))
        if not accepted:
            return
        rows = [_row(entry.change) for entry in accepted]
        failure: BaseException | None = None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            failure = StoreFailedError(f"write to the database failed: {error}")
            self.epoch += 1
            self._roll_back()
        for entry in accepted:
            entry.done(failure)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _maintain(self, job: _Job) -> None:
        try:
            result = job.run(self._connection)
        except sqlite3.Error as error:
            self._roll_back()  # else the next batch of writes fails with it
            job.done(0, StoreFailedError(f"maintenance of the database failed: {error}"))
        else:
            job.done(result, None)


def compact_step(connection: sqlite3.Connection, revision: int) -> int:
    """Remove up to a bounded number of rows that `revision` no longer needs; returns how many went.

    A row goes when a newer row of its key exists at or below `revision`, or when it is a deletion at or
    below it. The compacted revision is recorded first, so that a crash in between only leaves rows too many.
    """
    newest = connection.execute("SELECT MAX(rev) FROM log").fetchone()[0] or 0
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "INSERT INTO meta VALUES ('compacted', ?), ('revision', ?)"
        " ON CONFLICT (name) DO UPDATE SET value = MAX(value, excluded.value)",
        (revision, newest),
    )
    cursor = connection.execute(
        "DELETE FROM log WHERE rev IN (SELECT l.rev FROM log l WHERE l.rev <= ?1 AND (l.op = 2 OR EXISTS"
        " (SELECT 1 FROM log n WHERE n.resource = l.resource AND n.key = l.key"
        " AND n.rev > l.rev AND n.rev <= ?1))"
        " ORDER BY l.rev LIMIT ?2)",
        (revision, limits.STORE_COMPACT_ROWS),
    )
    connection.execute("COMMIT")
    return cursor.rowcount


def _row(change: Change) -> tuple[int, str, str, int, int, float, bytes]:
    previous = change.previous.rev if change.previous else 0
    item = change.item
    op = _OP_NUMBER[change.type]
    return change.rev, change.resource, item.key, op, previous, item.written_at, item.data


def wall_time_s() -> float:
    """Seconds since the epoch, as stored with each row."""
    return time.time()
