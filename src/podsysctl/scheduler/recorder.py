"""Events of the scheduler in the events.k8s.io form: repeats of one reason become a series.

Source: Kubernetes 1.36 client-go `tools/events/event_broadcaster.go`. The first repeat is written as a series
of two; later ones are counted here and written every half hour.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import Any

from podsysctl.base import clock, limits
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client import events
from podsysctl.client.rest import Client
from podsysctl.objects.kinds import builtin_by_resource

log = logging.getLogger(__name__)

EVENTS = builtin_by_resource("events.k8s.io", "v1", "events")
FINISH_S = 360.0
"""A series without a repeat for this long is over; the next event starts anew."""
SWEEP_S = 30.0
REFRESH_S = 1800.0
_SERIES = 4096

Object = dict[str, Any]


@dataclass(slots=True)
class _Series:
    name: str
    namespace: str
    count: int
    last_s: float
    written_s: float


class EventsRecorder:
    """Writes events of one controller in the background; `run` must be running."""

    def __init__(self, client: Client, controller: str, *, time: clock.Clock | None = None) -> None:
        self._client = client
        self._controller = controller
        self._instance = f"{controller}-{socket.gethostname()}"
        self._clock = time or clock.SystemClock()
        self._series: dict[tuple[str, ...], _Series] = {}
        self._swept_s = 0.0
        self._dropping = False
        """Whether the last event found no room: said once, since a flood of events would be one of lines."""
        self._queue: asyncio.Queue[tuple[Object, str, str]] = asyncio.Queue(limits.RECORDER_QUEUE_EVENTS)

    def event(self, obj: Object, type: str, reason: str, action: str, note: str) -> None:
        """Record that `action` on an object ended with `reason`; returns at once."""
        regarding = events.reference(obj)
        key = (regarding.get("uid", ""), regarding.get("resourceVersion", ""), type, reason, action)
        now, now_s = self._clock.now(), self._clock.monotonic_s()
        self._expire(now_s)
        series = self._series.get(key)
        if series is not None and now_s - series.last_s <= FINISH_S:
            self._repeat(series, now_s)
            return
        namespace = regarding.get("namespace") or "default"
        name = f"{regarding.get('name', '')}.{int(now.timestamp() * 1e9):x}"
        if key in self._series or len(self._series) < _SERIES:
            self._series[key] = _Series(name, namespace, 1, now_s, now_s)
        event: Object = {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": clock.format_micro_time(now),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": action,
            "reason": reason,
            "regarding": regarding,
            "note": note,
            "type": type,
        }
        self._put(event, "", namespace)

    def _repeat(self, series: _Series, now_s: float) -> None:
        series.count += 1
        series.last_s = now_s
        if series.count == 2 or now_s - series.written_s >= REFRESH_S:
            series.written_s = now_s
            stamp = clock.format_micro_time(self._clock.now())
            patch = {"series": {"count": series.count, "lastObservedTime": stamp}}
            self._put(patch, series.name, series.namespace)

    def _expire(self, now_s: float) -> None:
        """Drop the series that are over, now and then."""
        if now_s - self._swept_s < SWEEP_S:
            return
        self._swept_s = now_s
        for key in [key for key, entry in self._series.items() if now_s - entry.last_s > FINISH_S]:
            del self._series[key]

    def _put(self, body: Object, name: str, namespace: str) -> None:
        try:
            self._queue.put_nowait((body, name, namespace))
        except asyncio.QueueFull:
            if not self._dropping:
                log.warning("events are dropped, too many wait")
            self._dropping = True
        else:
            self._dropping = False

    async def run(self) -> None:
        """Write events until cancelled; one that cannot be written is logged."""
        while True:
            body, name, namespace = await self._queue.get()
            try:
                if name:
                    await self._client.patch(EVENTS, name, body, namespace=namespace, patch_type="merge")
                else:
                    await self._client.create(EVENTS, body)
            except (StatusError, ConnectionFailedError) as error:
                log.warning("event not written: %s", error.message)
            finally:
                self._queue.task_done()

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Wait until what was recorded is written, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._queue.join()
        except TimeoutError:
            log.warning("%d events are not written", self._queue.qsize())
