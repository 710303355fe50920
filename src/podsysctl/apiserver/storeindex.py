"""The committed objects in memory: encoded once, ordered by key, one bucket per resource.

Reads never touch the disk: a get is a dictionary lookup and a list a slice of the ordered keys. The bytes
are the JSON that clients receive, resourceVersion included, so that a list is a concatenation.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ChangeType(StrEnum):
    """What a revision did to its key; the values are the watch event types."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(slots=True, eq=False)
class Item:
    """One version of one object: `data` is its JSON, `written_at` seconds since the epoch.

    `view` belongs to the request handlers: what selectors see of the object, computed once per version.
    """

    key: str
    rev: int
    data: bytes
    written_at: float
    view: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One committed revision. For DELETED, `item` is the last state with the deletion's resourceVersion."""

    type: ChangeType
    resource: str
    rev: int
    item: Item
    previous: Item | None


@dataclass(frozen=True, slots=True)
class Topic:
    """One value of a field, such as the node of pods; `read` gives an item's value of `label`."""

    label: str
    value: str
    read: Callable[[Item], str]


@dataclass(slots=True)
class _FieldIndex:
    """Where the items of a bucket are by the value of one field."""

    read: Callable[[Item], str]
    keys: dict[str, set[str]] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        self.keys.setdefault(self.read(item), set()).add(item.key)

    def remove(self, item: Item) -> None:
        value = self.read(item)
        found = self.keys[value]
        found.discard(item.key)
        if not found:
            del self.keys[value]


@dataclass(slots=True)
class Bucket:
    """The live objects of one resource, in the byte order of their keys."""

    items: dict[str, Item] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    last_rev: int = 0
    fields: dict[str, _FieldIndex] = field(default_factory=dict)
    """Indexes by the label of a topic, made when a list first asks for one."""

    def load(self, items: list[Item]) -> None:
        """Take over items that are already in key order; before anyone lists by a topic."""
        self.items = {item.key: item for item in items}
        self.keys = list(self.items)
        self.last_rev = max((item.rev for item in items), default=self.last_rev)

    def put(self, item: Item) -> Item | None:
        """Store a new version; returns the one it replaces."""
        previous = self.items.get(item.key)
        if previous is None:
            insort(self.keys, item.key)
        self.items[item.key] = item
        self.last_rev = item.rev
        for index in self.fields.values():
            if previous is not None:
                index.remove(previous)
            index.add(item)
        return previous

    def drop(self, key: str, rev: int) -> Item | None:
        """Forget a key; returns its last version."""
        previous = self.items.pop(key, None)
        if previous is not None:
            del self.keys[bisect_left(self.keys, key)]
            for index in self.fields.values():
                index.remove(previous)
        self.last_rev = rev
        return previous

    def span(self, prefix: str, after: str = "") -> tuple[int, int]:
        """Positions in `keys` of the keys that begin with `prefix` and sort at or after `after`."""
        start = bisect_left(self.keys, max(prefix, after))
        if not prefix:
            return start, len(self.keys)
        return start, max(start, bisect_left(self.keys, prefix_end(prefix)))

    def range(self, prefix: str, after: str = "", limit: int = 0) -> list[Item]:
        """Items whose key begins with `prefix` and sorts at or after `after`; all when `limit` is 0."""
        start, end = self.span(prefix, after)
        if limit:
            end = min(end, start + limit)
        items = self.items
        return [items[key] for key in self.keys[start:end]]

    def of_topic(self, prefix: str, topic: Topic) -> list[Item]:
        """Items whose key begins with `prefix` and whose field has the topic's value."""
        index = self.fields.get(topic.label)
        if index is None:
            index = self.fields[topic.label] = _FieldIndex(topic.read)
            for item in self.items.values():
                index.add(item)
        return [self.items[key] for key in sorted(index.keys.get(topic.value, ())) if key.startswith(prefix)]


def prefix_end(prefix: str) -> str:
    """The first text that sorts after everything beginning with `prefix`.

    >>> prefix_end("demo/")
    'demo0'
    """
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
