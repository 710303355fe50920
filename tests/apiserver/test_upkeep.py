"""What the server does on its own: old events go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podsysctl.apiserver import delete, upkeep
from podsysctl.apiserver.auth.user import SERVER
from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.delete import Deleted, DeleteOptions
from podsysctl.apiserver.write import Write, create_object
from podsysctl.base import limits
from tests.apiserver.api import Api, running
from tests.apiserver.test_definitions import CRDS, definition


@pytest.fixture
async def idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """A server without upkeep of its own, whose first round may come at any moment of a test."""

    async def nothing(_: ServerContext) -> None:
        """No upkeep."""

    monkeypatch.setattr(upkeep, "run", nothing)
    async with running(tmp_path / "data") as api:
        yield api


async def test_event_goes_after_its_time_to_live(idle: Api) -> None:
    """Younger ones stay."""
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "old"}, "reason": "x"}
    event["involvedObject"] = {"kind": "Pod", "name": "p", "namespace": "default"}
    path = "/api/v1/namespaces/default/events"
    await idle.make(path, event)
    event["metadata"] = {"name": "young"}
    await idle.make(path, event)
    item = idle.server.context.store.get("events", "default/old")
    assert item is not None
    item.written_at = datetime.now(UTC).timestamp() - limits.EVENT_TTL_S - 1
    assert await upkeep.expire_events(idle.server.context) == 1
    left = (await idle.call("GET", path)).body["items"]
    assert [found["metadata"]["name"] for found in left] == ["young"]


async def test_event_that_happens_again_while_others_go_stays(idle: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is old when the round begins may be young when it comes to it."""
    path = "/api/v1/namespaces/default/events"
    for name in ("a", "b"):
        event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "reason": "x"}
        await idle.make(path, {**event, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}})
        item = idle.server.context.store.get("events", f"default/{name}")
        assert item is not None
        item.written_at = datetime.now(UTC).timestamp() - limits.EVENT_TTL_S - 1
    remove = delete.delete_object

    async def slowly(task: Write, options: DeleteOptions) -> Deleted:
        if task.name == "a":
            patch = {"count": 2}
            await idle.call("PATCH", f"{path}/b", patch, media="application/merge-patch+json")
        return await remove(task, options)

    monkeypatch.setattr(delete, "delete_object", slowly)
    assert await upkeep.expire_events(idle.server.context) == 1
    left = (await idle.call("GET", path)).body["items"]
    assert [found["metadata"]["name"] for found in left] == ["b"]


async def test_namespace_whose_maker_left_is_filled(idle: Api) -> None:
    """A request that ends before its answer leaves a namespace without an account; pods could never be made there."""
    write = Write(server=idle.server.context, resource=idle.server.context.registry.get("", "namespaces"), user=SERVER)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "left"}}
    making = asyncio.ensure_future(create_object(write, namespace))
    await asyncio.sleep(0)
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    await idle.make("/api/v1/namespaces", {**namespace, "metadata": {"name": "next"}})
    path = "/api/v1/namespaces/left"
    assert (await idle.call("GET", path)).code == 200
    assert (await idle.call("GET", f"{path}/serviceaccounts/default")).code == 404
    await upkeep.fill_namespaces(idle.server.context)
    assert (await idle.call("GET", f"{path}/serviceaccounts/default")).code == 200
    assert (await idle.call("GET", f"{path}/configmaps/kube-root-ca.crt")).code == 200


async def test_upkeep_goes_on_after_a_fault(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One round that fails, for whatever reason, is not the last."""
    rounds = asyncio.Queue[int]()

    async def fail(_: ServerContext) -> int:
        rounds.put_nowait(1)
        raise RuntimeError("a fault")

    monkeypatch.setattr(upkeep, "_TICK_S", 0)
    monkeypatch.setattr(upkeep, "expire_events", fail)
    task = asyncio.ensure_future(upkeep.run(api.server.context))
    async with asyncio.timeout(5):
        for _ in range(4):  # the server's own upkeep takes part
            await rounds.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_definitions_go_after_more_changes_than_a_queue_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch of ours that was too slow begins anew, as a client's does."""
    monkeypatch.setattr(limits, "WATCH_QUEUE_EVENTS", 0)
    async with running(tmp_path / "data") as api:
        await api.make(CRDS, definition())
        await asyncio.sleep(0)
        await api.call("DELETE", f"{CRDS}/widgets.example.com")
        for _ in range(300):
            if (await api.call("GET", f"{CRDS}/widgets.example.com")).code == 404:
                return
            await asyncio.sleep(0.02)
    pytest.fail("the definition is still there")
