"""Informers: list, watch, resume, relist, indexes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.client import informer as informer_module
from podsysctl.client.informer import Informer, InformerSet
from podsysctl.client.rest import Client
from tests.client.fake_api import CONFIG_MAPS, FakeApi, Kind

Eventually = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informer_module, "BACKOFF_S", (0.001, 0.01))


@asynccontextmanager
async def running(informer: Informer) -> AsyncIterator[list[str]]:
    """The informer, running and synced, and what its handler heard."""
    heard: list[str] = []
    informer.add_handler(
        on_add=lambda o: heard.append(f"add {o['metadata']['name']}"),
        on_update=lambda old, new: heard.append(f"update {new['metadata']['name']} {old['data']}->{new['data']}"),
        on_delete=lambda o: heard.append(f"delete {o['metadata']['name']}"),
    )
    task = asyncio.create_task(informer.run())
    try:
        await informer.wait_synced(5)
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_informer_follows_changes_in_order(api: FakeApi, client: Client, eventually: Eventually) -> None:
    """What exists is added first, then each change is told once, with old and new."""
    await api.put("a", v="1")
    async with running(Informer(client, CONFIG_MAPS)) as heard:
        assert heard == ["add a"]
        await api.put("a", v="2")
        await api.put("b")
        await api.remove("a")
        await eventually(lambda: len(heard) == 4)
    assert heard == ["add a", "update a {'v': '1'}->{'v': '2'}", "add b", "delete a"]


async def test_informer_after_closed_watch_resumes_without_listing(
    api: FakeApi, client: Client, eventually: Eventually
) -> None:
    """A watch that ends is taken up at the last revision; nothing is listed or told twice."""
    await api.put("a")
    async with running(Informer(client, CONFIG_MAPS)) as heard:
        await eventually(lambda: api.watches == 1)
        await api.close_watches()
        await eventually(lambda: api.watches == 2)
        await api.put("b")
        await eventually(lambda: len(heard) == 2)
    lists = [r for r in api.requests if not r.query.get("watch")]
    assert heard == ["add a", "add b"]
    assert len(lists) == 1


async def test_informer_bookmark_moves_the_resume_point(api: FakeApi, client: Client, eventually: Eventually) -> None:
    """After a bookmark the watch resumes from it, even if everything before was compacted."""
    informer = Informer(client, CONFIG_MAPS)
    async with running(informer) as heard:
        await api.bookmark()
        await eventually(lambda: informer.resource_version == str(api.revision))
        api.compacted = api.revision
        await api.close_watches()
        await eventually(lambda: api.watches == 2)
        await api.put("b")
        await eventually(lambda: heard == ["add b"])
    assert len([r for r in api.requests if not r.query.get("watch")]) == 1


async def test_informer_on_expired_revision_lists_again_and_tells_the_difference(
    api: FakeApi, client: Client, eventually: Eventually
) -> None:
    """410 means list again: what vanished unseen is told as deleted, what came as added."""
    await api.put("gone")
    await api.put("kept")
    async with running(Informer(client, CONFIG_MAPS)) as heard:
        await eventually(lambda: api.watches == 1)
        await api.close_watches()
        await api.remove("gone", silent=True)
        api.add_silently("new")
        api.compacted = api.revision
        await eventually(lambda: len(heard) == 4)
    assert heard == ["add gone", "add kept", "delete gone", "add new"]


async def test_informer_object_replaced_while_away_is_deleted_and_added(
    api: FakeApi, client: Client, eventually: Eventually
) -> None:
    """The same name with another uid is another object."""
    await api.put("a", uid="1")
    async with running(Informer(client, CONFIG_MAPS)) as heard:
        await api.put("a", uid="2")
        await eventually(lambda: len(heard) == 3)
    assert heard == ["add a", "delete a", "add a"]


async def test_informer_index_follows_objects(api: FakeApi, client: Client, eventually: Eventually) -> None:
    """An object is found under its present value only."""
    informer = Informer(client, CONFIG_MAPS, indexes={"colour": lambda o: [o["data"].get("colour", "")]})
    async with running(informer) as heard:
        await api.put("a", colour="red")
        await eventually(lambda: informer.by_index("colour", "red"))
        await api.put("a", colour="blue")
        await eventually(lambda: informer.by_index("colour", "blue"))
        assert informer.by_index("colour", "red") == []
        await api.remove("a")
        await eventually(lambda: not informer.by_index("colour", "blue"))
        assert len(heard) == 3


async def test_informer_of_unknown_kind_ends_with_the_status(client: Client) -> None:
    """A kind that the server does not have is an error to report, not to retry for ever."""
    with pytest.raises(StatusError):
        await Informer(client, Kind(plural="nothings")).run()


async def test_informer_set_same_question_shares_one_informer(api: FakeApi, client: Client) -> None:
    """Two components that watch the same kind cost one watch; a late question is served as well."""
    await api.put("a")
    shared = InformerSet(client)
    first = shared.informer(CONFIG_MAPS)
    assert shared.informer(CONFIG_MAPS) is first
    task = asyncio.create_task(shared.run())
    await shared.wait_synced(5)
    late = shared.informer(CONFIG_MAPS, "default")
    await late.wait_synced(5)
    assert late is not first
    assert late.get("a", "default") is not None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
