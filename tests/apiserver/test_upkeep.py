"""What the server does on its own: old events go."""

from __future__ import annotations

from datetime import UTC, datetime

from podsysctl.apiserver import upkeep
from podsysctl.base import limits
from tests.apiserver.api import Api


async def test_event_goes_after_its_time_to_live(api: Api) -> None:
    """Younger ones stay."""
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "old"}, "reason": "x"}
    event["involvedObject"] = {"kind": "Pod", "name": "p", "namespace": "default"}
    path = "/api/v1/namespaces/default/events"
    await api.make(path, event)
    event["metadata"] = {"name": "young"}
    await api.make(path, event)
    item = api.server.context.store.get("events", "default/old")
    assert item is not None
    item.written_at = datetime.now(UTC).timestamp() - limits.EVENT_TTL_S - 1
    assert await upkeep.expire_events(api.server.context) == 1
    left = (await api.call("GET", path)).body["items"]
    assert [found["metadata"]["name"] for found in left] == ["young"]
