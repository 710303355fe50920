"""The event recorder: fields, folding, combining, floods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from podsysctl.base.clock import FakeClock
from podsysctl.client.events import EventRecorder
from podsysctl.client.rest import Client
from tests.client.fake_api import FakeApi, status

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "demo", "uid": "u", "resourceVersion": "7"},
}


class Sink(FakeApi):
    """Takes every event write and remembers it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, str, dict[str, Any]]] = []
        self.missing = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.writes.append((request.method, request.path, body))
        if request.method == "PATCH" and self.missing:
            return status(404, "NotFound", "events not found")
        return web.json_response(body)


@pytest.fixture
async def api() -> AsyncIterator[Sink]:
    from aiohttp.test_utils import TestServer

    sink = Sink()
    server = TestServer(sink.app)
    await server.start_server()
    sink.server = str(server.make_url("")).rstrip("/")
    yield sink
    await server.close()


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def recorder(client: Client, time: FakeClock) -> AsyncIterator[EventRecorder]:
    made = EventRecorder(client, "kubelet", "node1", time=time)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_event_first_time_has_upstreams_fields(api: Sink, recorder: EventRecorder, time: FakeClock) -> None:
    """The object is the one kubelet writes, field for field."""
    message = 'forbidden sysctl: "net.core.somaxconn" not allowlisted'
    recorder.event(POD, "Warning", "SysctlForbidden", message)
    await recorder.flush()
    method, path, event = api.writes[0]
    assert (method, path) == ("POST", "/api/v1/namespaces/demo/events")
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"p.{int(time.now().timestamp() * 1e9):x}", "namespace": "demo"},
        "involvedObject": {
            "kind": "Pod",
            "namespace": "demo",
            "name": "p",
            "uid": "u",
            "apiVersion": "v1",
            "resourceVersion": "7",
        },
        "reason": "SysctlForbidden",
        "message": message,
        "source": {"component": "kubelet", "host": "node1"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "node1",
    }


async def test_event_repeated_raises_the_count(api: Sink, recorder: EventRecorder, time: FakeClock) -> None:
    """The same event again is a patch of count and lastTimestamp."""
    recorder.event(POD, "Normal", "Pulled", "image present", field_path="spec.containers{a}")
    time.advance(60)
    recorder.event(POD, "Normal", "Pulled", "image present", field_path="spec.containers{a}")
    await recorder.flush()
    (_, _, first), (method, path, patch) = api.writes
    assert first["involvedObject"]["fieldPath"] == "spec.containers{a}"
    assert (method, path) == ("PATCH", f"/api/v1/namespaces/demo/events/{first['metadata']['name']}")
    assert patch == {"count": 2, "lastTimestamp": "2026-01-01T00:01:00Z", "message": "image present"}


async def test_event_repeats_that_wait_are_one_patch(api: Sink, recorder: EventRecorder, time: FakeClock) -> None:
    """Repeats that come faster than they are written are counted in the patch that waits, and none is lost."""
    for _ in range(4):
        recorder.event(POD, "Normal", "Pulled", "image present")
        time.advance(1)
    await recorder.flush()
    assert [method for method, _, _ in api.writes] == ["POST", "PATCH"]
    assert api.writes[0][2]["count"] == 1
    assert api.writes[1][2] == {"count": 4, "lastTimestamp": "2026-01-01T00:00:03Z", "message": "image present"}
    recorder.event(POD, "Normal", "Pulled", "image present")
    await recorder.flush()
    assert api.writes[2][2]["count"] == 5


async def test_event_repeated_after_expiry_is_written_anew(api: Sink, recorder: EventRecorder) -> None:
    """A count whose event is gone from the server becomes an event again."""
    api.missing = True
    recorder.event(POD, "Normal", "Pulled", "x")
    recorder.event(POD, "Normal", "Pulled", "x")
    await recorder.flush()
    assert [method for method, _, _ in api.writes] == ["POST", "PATCH", "POST"]
    assert api.writes[-1][2]["count"] == 2


async def test_event_past_ten_alike_are_combined(api: Sink, recorder: EventRecorder) -> None:
    """The eleventh different message of one reason stands for the rest, and later ones raise its count."""
    for i in range(13):
        recorder.event(POD, "Warning", "Unhealthy", f"probe {i}")
        await recorder.flush()
    messages = [body["message"] for _, _, body in api.writes]
    assert messages[9:] == ["probe 9"] + [f"(combined from similar events): probe {i}" for i in (10, 11, 12)]
    assert [method for method, _, _ in api.writes[10:]] == ["POST", "PATCH", "PATCH"]
    assert api.writes[-1][2]["count"] == 3


async def test_event_flood_of_one_object_stops_after_25(api: Sink, recorder: EventRecorder, time: FakeClock) -> None:
    """25 at once, then one every five minutes; other objects are not affected."""
    for i in range(40):
        recorder.event(POD, "Normal", f"Reason{i}", "x")
    other = {**POD, "metadata": {**POD["metadata"], "name": "q", "uid": "v"}}
    recorder.event(other, "Normal", "Reason", "x")
    time.advance(300)
    recorder.event(POD, "Normal", "Late", "x")
    recorder.event(POD, "Normal", "Later", "x")
    await recorder.flush()
    assert [body["reason"] for _, _, body in api.writes][24:] == ["Reason24", "Reason", "Late"]


async def test_event_of_cluster_object_goes_to_default(api: Sink, recorder: EventRecorder) -> None:
    """Events about nodes live in the namespace default; a bare reference is taken as it is."""
    recorder.event({"kind": "Node", "name": "n1", "uid": "n1"}, "Normal", "NodeReady", "x")
    await recorder.flush()
    _, path, event = api.writes[0]
    assert path == "/api/v1/namespaces/default/events"
    assert event["involvedObject"] == {"kind": "Node", "name": "n1", "uid": "n1"}
