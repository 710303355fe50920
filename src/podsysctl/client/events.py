"""Event objects: what a component did to an object and why, repeats folded, floods stopped.

The correlation of client-go tools/record (events_cache.go, v1.36): equal events raise a count, more than ten
alike in ten minutes are combined, and an object that is talked about too much is no longer talked about.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from podsysctl.base import clock, limits
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client.rest import Client, Object

log = logging.getLogger(__name__)

CACHE_ENTRIES = 4096
COMBINE_AFTER = 10
COMBINE_INTERVAL_S = 600.0
SPAM_BURST = 25.0
SPAM_REFILL_S = 300.0
WRITE_ATTEMPTS = 12
RETRY_S = 10.0

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Events:
    """Where core/v1 events live."""

    group: str = ""
    version: str = "v1"
    plural: str = "events"
    namespaced: bool = True


EVENTS = _Events()


class _Cache(OrderedDict[tuple[str, ...], V], Generic[V]):
    """The newest CACHE_ENTRIES entries."""

    def keep(self, key: tuple[str, ...], value: V) -> None:
        self[key] = value
        self.move_to_end(key)
        while len(self) > CACHE_ENTRIES:
            self.popitem(last=False)


@dataclass(slots=True)
class _Seen:
    count: int
    first: str
    name: str
    resource_version: str = ""


@dataclass(slots=True)
class _Similar:
    last_s: float
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


@dataclass(frozen=True, slots=True)
class _Write:
    """An event to create, or (`patch`) the repeat of one to count."""

    event: Object
    key: tuple[str, ...]
    patch: Object | None


def reference(obj: Object, field_path: str = "") -> dict[str, str]:
    """The ObjectReference of an object (tools/reference.GetReference): field_path `spec.containers{name}`."""
    if "metadata" not in obj:
        return {**obj, **({"fieldPath": field_path} if field_path else {})}
    metadata = obj["metadata"]
    out = {
        "kind": obj.get("kind", ""),
        "namespace": metadata.get("namespace", ""),
        "name": metadata.get("name", ""),
        "uid": metadata.get("uid", ""),
        "apiVersion": obj.get("apiVersion", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
        "fieldPath": field_path,
    }
    return {key: value for key, value in out.items() if value}


class Recorder(Protocol):
    """Where a component says what it did to an object and why."""

    def event(
        self, obj: Object, type: str, reason: str, message: str, *, action: str = "", field_path: str = ""
    ) -> None:
        """Record that something happened to `obj`; returns at once."""
        ...


class EventRecorder:
    """Writes events of one component in the background, in order; `run` must be running.

    `host` is the node's name for node agents, empty elsewhere. Losing an event never fails the work it tells
    of: what cannot be written is logged.
    """

    def __init__(self, client: Client, component: str, host: str = "", *, time: clock.Clock | None = None) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._clock = time or clock.SystemClock()
        self._queue: asyncio.Queue[_Write] = asyncio.Queue(limits.RECORDER_QUEUE_EVENTS)
        self._waiting: dict[tuple[str, ...], _Write] = {}
        """Repeats that wait to be written: a further one of the same event is counted in it."""
        self._seen: _Cache[_Seen] = _Cache()
        self._similar: _Cache[_Similar] = _Cache()
        self._buckets: _Cache[_Bucket] = _Cache()

    def event(
        self, obj: Object, type: str, reason: str, message: str, *, action: str = "", field_path: str = ""
    ) -> None:
        """Record that something happened to `obj` (an object, or an ObjectReference without `metadata`).

        `type` is Normal or Warning, `reason` CamelCase. Returns at once; past the queue's bound it is dropped.
        """
        self.record(self._host, obj, type, reason, message, action, field_path)

    def on_host(self, host: str) -> Recorder:
        """The same component on another node: its events are written by this recorder."""
        return _OnHost(self, host)

    def record(
        self, host: str, obj: Object, type: str, reason: str, message: str, action: str, field_path: str
    ) -> None:
        """`event` of the component on a given node."""
        involved = reference(obj, field_path)
        write = self._correlate(host, involved, type, reason, message, action)
        if write is None:
            return
        waiting = self._waiting.get(write.key)
        if write.patch is not None and waiting is not None and waiting.patch is not None:
            waiting.event.update(write.patch)
            waiting.patch.update(write.patch)
            return
        try:
            self._queue.put_nowait(write)
            if write.patch is not None:
                self._waiting[write.key] = write
        except asyncio.QueueFull:
            log.warning("event dropped, too many wait: %s %s: %s", involved.get("name"), reason, message)

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            write = await self._queue.get()
            if self._waiting.get(write.key) is write:
                del self._waiting[write.key]
            try:
                await self._write(write)
            finally:
                self._queue.task_done()

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Wait until what was recorded is written, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._queue.join()
        except TimeoutError:
            log.warning("%d events are not written", self._queue.qsize())

    def _correlate(
        self, host: str, involved: dict[str, str], type: str, reason: str, message: str, action: str
    ) -> _Write | None:
        message, combined = self._combine(involved, type, reason, message)
        now = self._clock.now()
        stamp = clock.format_time(now)
        identity = tuple(involved.get(k, "") for k in ("kind", "namespace", "name", "fieldPath", "uid", "apiVersion"))
        key = (*identity, type, reason, "" if combined else message)
        seen = self._seen.get(key)
        namespace = involved.get("namespace") or "default"
        if seen is None:
            name = f"{involved.get('name', '')}.{int(now.timestamp() * 1e9):x}"
            seen = _Seen(1, stamp, name)
        else:
            seen.count += 1
        repeated = seen.count > 1
        self._seen.keep(key, seen)
        if not self._allowed(involved):
            return None
        source = {"component": self._component, **({"host": host} if host else {})}
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": seen.name, "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": seen.first,
            "lastTimestamp": stamp,
            "count": seen.count,
            "type": type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": host,
        }
        if action:
            event["action"] = action
        patch = {"count": seen.count, "lastTimestamp": stamp, "message": message} if repeated else None
        return _Write(event, key, patch)

    def _combine(self, involved: dict[str, str], type: str, reason: str, message: str) -> tuple[str, bool]:
        """Past ten different messages of one reason in ten minutes, one event stands for them all."""
        fields = ("kind", "namespace", "name", "uid", "apiVersion")
        key = (*(involved.get(k, "") for k in fields), type, reason)
        now_s = self._clock.monotonic_s()
        similar = self._similar.get(key)
        if similar is None or now_s - similar.last_s > COMBINE_INTERVAL_S:
            similar = _Similar(now_s)
        similar.messages.add(message)
        similar.last_s = now_s
        self._similar.keep(key, similar)
        if len(similar.messages) <= COMBINE_AFTER:
            return message, False
        similar.messages.discard(message)
        return f"(combined from similar events): {message}", True

    def _allowed(self, involved: dict[str, str]) -> bool:
        """A token bucket per object: 25 at once, one more every five minutes."""
        key = tuple(involved.get(k, "") for k in ("kind", "namespace", "name", "uid", "apiVersion"))
        now_s = self._clock.monotonic_s()
        bucket = self._buckets.get(key) or _Bucket(SPAM_BURST, now_s)
        bucket.tokens = min(SPAM_BURST, bucket.tokens + (now_s - bucket.at_s) / SPAM_REFILL_S)
        bucket.at_s = now_s
        self._buckets.keep(key, bucket)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _write(self, write: _Write) -> None:
        metadata = write.event["metadata"]
        for attempt in range(WRITE_ATTEMPTS):
            try:
                await self._send(write, metadata)
                return
            except StatusError as error:
                # The server has decided (a namespace that is going away, mostly); asking again changes nothing.
                log.warning("event %s not written: %s", metadata["name"], error.message)
                return
            except ConnectionFailedError as error:
                if attempt == WRITE_ATTEMPTS - 1:
                    log.warning("event %s not written: %s", metadata["name"], error.message)
                    return
                await asyncio.sleep(min(RETRY_S, 0.1 * 2**attempt))

    async def _send(self, write: _Write, metadata: dict[str, Any]) -> None:
        if write.patch is not None:
            try:
                await self._client.patch(
                    EVENTS, metadata["name"], write.patch, namespace=metadata["namespace"], patch_type="strategic"
                )
                return
            except StatusError as error:
                if error.code != 404:  # expired or deleted in the meantime: write it anew
                    raise
        await self._client.create(EVENTS, write.event)


@dataclass(frozen=True, slots=True)
class _OnHost:
    """One component on one of many nodes that share a recorder."""

    recorder: EventRecorder
    host: str

    def event(
        self, obj: Object, type: str, reason: str, message: str, *, action: str = "", field_path: str = ""
    ) -> None:
        self.recorder.record(self.host, obj, type, reason, message, action, field_path)
