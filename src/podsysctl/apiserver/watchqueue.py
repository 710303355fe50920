"""One watcher's share of the changes: bounded, so that a slow client costs itself and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from podsysctl.apiserver.storeindex import Change
from podsysctl.base import limits


class WatchQueue:
    """Changes of one resource after revision `since`, in order, until closed or overrun."""

    def __init__(self, prefix: str, since: int, on_close: Callable[[WatchQueue], None]) -> None:
        self.prefix = prefix
        self.since = since
        self.closed = False
        """Nothing more will come: the store closed, the watcher closed it, or it was too slow."""
        self.overrun = False
        """It was too slow: changes were dropped."""
        self._on_close = on_close
        self._changes: list[Change] = []
        self._ready = asyncio.Event()

    def put(self, change: Change) -> None:
        """Add one change; past the bound the queue is emptied and closed: its client resumes by revision."""
        if self.closed:
            return
        if len(self._changes) >= limits.WATCH_QUEUE_EVENTS:
            self._changes.clear()
            self.overrun = True
            self.close()
            return
        self._changes.append(change)
        self._ready.set()

    async def take(self, timeout_s: float) -> list[Change]:
        """Everything that waits; an empty list when nothing came in time or the queue is closed."""
        if not self._changes and not self.closed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._ready.wait()
            except TimeoutError:
                return []
        changes, self._changes = self._changes, []
        if not self.closed:
            self._ready.clear()
        return changes

    def close(self) -> None:
        """End the watch; what already waits can still be taken."""
        if not self.closed:
            self.closed = True
            self._on_close(self)
            self._ready.set()
