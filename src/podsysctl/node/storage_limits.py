"""Evicts pods whose emptyDir volumes grew past their sizeLimit (pkg/kubelet/eviction, localStorageEviction)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from podsysctl.node import amounts, events
from podsysctl.node import pod as pods
from podsysctl.node.events import PodEvents
from podsysctl.node.paths import NodePaths
from podsysctl.node.worker import PodWorker

REASON = "Evicted"
INTERVAL_S = 10.0
"""Interval of measuring, the kubelet's."""


class StorageLimits:
    """Measures the emptyDir volumes of a node's pods. `workers` gives those of pods that live."""

    def __init__(self, paths: NodePaths, events_: PodEvents, workers: Callable[[], Iterable[PodWorker]]) -> None:
        self._paths = paths
        self._events = events_
        self._workers = workers

    async def run(self) -> None:
        """Measure now and then until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            for worker in list(self._workers()):
                await self._check(worker)

    async def _check(self, worker: PodWorker) -> None:
        for volume in pods.spec(worker.pod).get("volumes") or ():
            limit = (volume.get("emptyDir") or {}).get("sizeLimit")
            if limit is None or amounts.units(limit) <= 0:
                continue
            path = self._paths.volume(worker.uid, "empty-dir", volume["name"])
            if await asyncio.to_thread(used_bytes, path) > amounts.units(limit):
                text = f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
                self._events.pod(worker.pod, events.WARNING, REASON, text)
                worker.evict(REASON, text, at_once=True)
                return


def used_bytes(root: Path) -> int:
    """Disk space that a tree takes, without what is mounted below it.

    A container changes it meanwhile and may nest directories deeper than a path may be long: what cannot be looked at
    does not count.
    """
    total = 0
    pending = [str(root)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False) and not os.path.ismount(entry.path):
                        pending.append(entry.path)
    return total
