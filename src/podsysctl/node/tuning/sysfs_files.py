"""The files below /sys that profiles hold at a value, moved and put back like parameters."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from podsysctl.kernel import sysfs
from podsysctl.kernel.sysfs import FileJournal
from podsysctl.node.tuning.wish import FileClaim, Target, Wish


def claims_of(wishes: Iterable[Wish]) -> list[FileClaim]:
    """What the wishes want of each file that their patterns mean now; of several for one file the last counts."""
    out: dict[tuple[str, str], FileClaim] = {}
    for wish in wishes:
        for entry in wish.plan.sysfs:
            for path in sysfs.expand(entry.path):
                out[wish.node, path] = FileClaim(wish.node, path, entry.value, str(entry.place))
    return list(out.values())


class SysfsFiles:
    """What is held now, over an open journal."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal
        self._held: dict[str, str] = {}
        self._stuck: set[str] = set()

    def let_be(self, path: str) -> None:
        """Leave an original that the kernel refuses to the next start; the journal keeps it."""
        self._stuck.add(path)

    def move(self, targets: Mapping[str, Target]) -> None:
        """Go to these targets; what leaves returns to its original first. Raises FileRefusedError."""
        records = {record.name: record for record in self._journal.pending()}
        values: dict[str, str] = {}
        done = []
        for record in reversed(list(records.values())):
            if record.name in targets or record.name in self._stuck:
                continue
            done.append(record.name)
            if not os.path.exists(record.name):
                continue  # gone with its device or module
            live = sysfs.read(record.name)
            if live != record.original and (record.confirmed is None or live == record.confirmed):
                values[record.name] = record.original
        for path, target in targets.items():
            if self._held.get(path) != target.value and (path in records or sysfs.read(path) != target.value):
                values[path] = target.value
        if values:
            bases = {path: records[path].original for path in values if path in records}
            sysfs.write_all(values, self._journal, bases)
        self._journal.forget(done)
        self._held = {path: target.value for path, target in targets.items()}
