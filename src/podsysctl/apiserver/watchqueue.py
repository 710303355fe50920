"""One watcher's share of the changes: bounded, so that a slow client costs itself and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from podsysctl.apiserver.storeindex import Change, Item, Topic
from podsysctl.base import limits


class WatchQueue:
    """Changes of one resource after revision `since`, in order, until closed or overrun."""

    def __init__(
        self, prefix: str, since: int, on_close: Callable[[WatchQueue], None], topic: Topic | None = None
    ) -> None:
        self.prefix = prefix
        self.topic = topic
        self.since = since
        self.closed = False
        """Nothing more will come: the store closed, the watcher closed it, or it was too slow."""
        self.overrun = False
        """It was too slow: changes were dropped."""
        self.on_overrun: Callable[[], object] | None = None
        """Called when that happens."""
        self._on_close = on_close
        self._changes: list[Change] = []
        self._ready = asyncio.Event()

    def put(self, change: Change) -> None:
        """Add one change; past the bound the queue is emptied and closed: its client resumes by revision."""
        if self.closed or not change.item.key.startswith(self.prefix):
            return
        if len(self._changes) >= limits.WATCH_QUEUE_EVENTS:
            self._changes.clear()
            self.overrun = True
            self.close()
            if self.on_overrun is not None:
                self.on_overrun()
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


class Watchers:
    """The watchers of one resource; those with a topic are found by its value.

    With a thousand nodes each watching its own pods, a change wakes one of them and costs no more than for one.
    """

    def __init__(self) -> None:
        self._general: set[WatchQueue] = set()
        self._topics: dict[str, tuple[Callable[[Item], str], dict[str, set[WatchQueue]]]] = {}

    def subscribe(self, prefix: str, since: int, topic: Topic | None) -> WatchQueue:
        """A new watcher of the changes after a revision."""
        queue = WatchQueue(prefix, since, self._discard, topic)
        if topic is None:
            self._general.add(queue)
        else:
            _, by_value = self._topics.setdefault(topic.label, (topic.read, {}))
            by_value.setdefault(topic.value, set()).add(queue)
        return queue

    def publish(self, change: Change) -> None:
        """Give a change to everyone whose topic one of its two versions has."""
        for queue in tuple(self._general):
            queue.put(change)
        for read, by_value in tuple(self._topics.values()):
            values = {read(change.item)}
            if change.previous is not None:
                values.add(read(change.previous))
            for value in values:
                for queue in tuple(by_value.get(value, ())):
                    queue.put(change)

    def close(self) -> None:
        """End all watches."""
        topical = [q for _, by_value in self._topics.values() for queues in by_value.values() for q in queues]
        for queue in [*self._general, *topical]:
            queue.close()

    def _discard(self, queue: WatchQueue) -> None:
        if queue.topic is None:
            self._general.discard(queue)
            return
        _, by_value = self._topics[queue.topic.label]
        remaining = by_value[queue.topic.value]
        remaining.discard(queue)
        if not remaining:
            del by_value[queue.topic.value]
