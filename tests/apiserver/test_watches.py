"""watch: what is sent when, to whom, and how a watch begins and ends."""

from __future__ import annotations

import asyncio

import pytest

from podsysctl.base import limits
from tests.apiserver.api import CONFIG_MAPS, PODS, Api, client_tls, config_map, pod

MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def label(api: Api, name: str, value: str | None) -> None:
    patch = {"metadata": {"labels": {"a": value}}}
    assert (await api.call("PATCH", f"{CONFIG_MAPS}/{name}", patch, media=MERGE)).code == 200


async def test_watch_without_version_begins_with_what_is_there(api: Api) -> None:
    """Present objects come as ADDED, then the changes."""
    await api.make(CONFIG_MAPS, config_map())
    async with api.watch(CONFIG_MAPS) as watch:
        assert await watch.take(2) == [("ADDED", "kube-root-ca.crt"), ("ADDED", "m")]
        await label(api, "m", "1")
        await api.call("DELETE", f"{CONFIG_MAPS}/m")
        assert await watch.take(2) == [("MODIFIED", "m"), ("DELETED", "m")]


async def test_watch_from_a_version_sends_what_came_after(api: Api) -> None:
    """History is read from the log, deletions with their own version."""
    made = await api.make(CONFIG_MAPS, config_map())
    await label(api, "m", "1")
    await api.call("DELETE", f"{CONFIG_MAPS}/m")
    async with api.watch(CONFIG_MAPS, resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        assert await watch.take(1) == [("MODIFIED", "m")]
        gone = await watch.next()
        assert gone["type"] == "DELETED"
        assert int(gone["object"]["metadata"]["resourceVersion"]) == api.server.context.store.revision
        await api.make(CONFIG_MAPS, config_map("n"))
        assert await watch.take(1) == [("ADDED", "n")]


async def test_watch_with_selector_turns_transitions_into_added_and_deleted(api: Api) -> None:
    """An object that begins to match is ADDED, one that ceases is DELETED; live and from history alike."""
    made = await api.make(CONFIG_MAPS, config_map())
    version = made["metadata"]["resourceVersion"]
    async with api.watch(CONFIG_MAPS, resourceVersion=version, labelSelector="a=1") as live:
        for value in ("2", "1", "1", None):
            await label(api, "m", value)
        await label(api, "m", "1")
        await api.call("DELETE", f"{CONFIG_MAPS}/m")
        expected = [("ADDED", "m"), ("DELETED", "m"), ("ADDED", "m"), ("DELETED", "m")]
        assert await live.take(4) == expected
    async with api.watch(CONFIG_MAPS, resourceVersion=version, labelSelector="a=1") as past:
        assert await past.take(4) == expected


async def test_watch_of_one_name_and_namespace(api: Api) -> None:
    """A name that is the beginning of another does not match it."""
    query = {"fieldSelector": "metadata.name=m", "resourceVersion": str(api.server.context.store.revision)}
    async with api.watch(CONFIG_MAPS, **query) as watch:
        await api.make(CONFIG_MAPS, config_map("mm"))
        await api.make("/api/v1/namespaces/kube-public/configmaps", config_map("m"))
        await api.make(CONFIG_MAPS, config_map("m"))
        event = await watch.next()
        assert (event["object"]["metadata"]["name"], event["object"]["metadata"]["namespace"]) == ("m", "default")


async def test_watch_from_a_compacted_version_is_expired(api: Api) -> None:
    """200 with one ERROR event of Status 410."""
    version = (await api.make(CONFIG_MAPS, config_map()))["metadata"]["resourceVersion"]
    await label(api, "m", "1")
    await api.server.context.store.compact(api.server.context.store.revision)
    async with api.watch(CONFIG_MAPS, resourceVersion=version) as watch:
        event = await watch.next()
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert event["object"]["message"].startswith(f"too old resource version: {version} (")
        assert await watch.next() is None


async def test_watch_list_ends_its_initial_events_with_a_bookmark(api: Api) -> None:
    """sendInitialEvents: ADDED for all, then the annotated bookmark, then changes."""
    await api.make(CONFIG_MAPS, config_map())
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with api.watch(CONFIG_MAPS, **query) as watch:
        assert await watch.take(2) == [("ADDED", "kube-root-ca.crt"), ("ADDED", "m")]
        mark = await watch.next()
        assert mark["type"] == "BOOKMARK"
        assert mark["object"]["kind"] == "ConfigMap"
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(mark["object"]["metadata"]["resourceVersion"]) == api.server.context.store.revision
        await label(api, "m", "1")
        assert await watch.take(1) == [("MODIFIED", "m")]


async def test_watch_list_without_match_is_refused(api: Api) -> None:
    """422 makes clients fall back to a list."""
    reply = await api.call("GET", CONFIG_MAPS, watch="true", sendInitialEvents="true")
    assert reply.code == 422
    assert "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in reply.message


async def test_watch_ends_at_its_timeout_with_a_bookmark(api: Api) -> None:
    """The last bookmark tells how far the watch came, changes of other resources included."""
    await api.make(PODS, pod())
    revision = api.server.context.store.revision
    query = {"resourceVersion": "1", "timeoutSeconds": "1", "allowWatchBookmarks": "true"}
    async with api.watch("/api/v1/nodes", **query) as watch:
        mark = await watch.next()
        assert (mark["type"], mark["object"]["metadata"]["resourceVersion"]) == ("BOOKMARK", str(revision))
        assert await watch.next() is None


async def test_watch_sends_bookmarks_now_and_then(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only when asked for."""
    monkeypatch.setattr("podsysctl.base.limits.WATCH_BOOKMARK_S", 0.05)
    async with api.watch("/api/v1/nodes", resourceVersion="1", allowWatchBookmarks="true") as watch:
        assert [(await watch.next())["type"] for _ in range(3)] == ["BOOKMARK"] * 3
    async with api.watch("/api/v1/nodes", resourceVersion="1") as watch:
        with pytest.raises(TimeoutError):
            await watch.next(0.3)


async def test_watch_of_tables_sends_columns_once(api: Api) -> None:
    """What `kubectl get -w` reads."""
    await api.make(PODS, pod("a"))
    await api.make(PODS, pod("b"))
    async with api.session.get(api.server.url + PODS, params={"watch": "1"}, headers={"Accept": TABLE}) as answer:
        first = await asyncio.wait_for(answer.content.readline(), 5)
        second = await asyncio.wait_for(answer.content.readline(), 5)
    assert b'"columnDefinitions":[{"name":"Name"' in first
    assert b'"columnDefinitions":null' in second
    assert b'"cells":["b","0/1","Pending"' in second


async def test_watch_that_is_not_read_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does not wait for ever to write to a client that has stopped reading."""
    monkeypatch.setattr(limits, "WATCH_QUEUE_EVENTS", 4)
    monkeypatch.setattr(limits, "STREAM_CLOSE_TIMEOUT_S", 0.1)
    tls = client_tls(api.server, "admin", "kubernetes-admin", ("system:masters",))
    _, writer = await asyncio.open_connection(api.server.config.address, api.server.port, ssl=tls)
    writer.write(f"GET {CONFIG_MAPS}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    context = api.server.context

    async def open_watches(wanted: int) -> None:
        for _ in range(250):
            if context.watches == wanted:
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"{context.watches} watches are open")

    await open_watches(1)
    for number in range(40):
        await api.make(CONFIG_MAPS, config_map(f"m{number}", {"a": "x" * 500_000}))
    await open_watches(0)
    writer.transport.abort()


async def test_watch_that_is_too_slow_is_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not read loses its watch, and nobody else notices."""
    monkeypatch.setattr("podsysctl.base.limits.WATCH_QUEUE_EVENTS", 20)
    store = api.server.context.store
    big = {"x": "y" * 500_000}
    async with api.watch(CONFIG_MAPS, resourceVersion=str(store.revision)) as slow:
        for n in range(80):
            await store.create("configmaps", f"default/b{n}", config_map(f"b{n}", data=big, namespace="default"))
        seen = 0
        while await slow.next() is not None:
            seen += 1
        assert seen < 80
    assert (await api.call("GET", f"{CONFIG_MAPS}/b79")).code == 200


async def test_watch_that_the_client_leaves_is_forgotten(api: Api) -> None:
    """Its queue goes with the connection."""
    async with api.watch(CONFIG_MAPS) as watch:
        await watch.take(1)
        assert api.server.context.watches == 1
    for _ in range(100):
        if api.server.context.watches == 0:
            break
        await asyncio.sleep(0.02)
    assert api.server.context.watches == 0


async def test_stop_ends_watches(api: Api) -> None:
    """Clients see the end at once and can reconnect elsewhere."""
    async with api.watch(CONFIG_MAPS) as watch:
        await watch.take(1)
        stopping = asyncio.create_task(api.server.stop())
        assert await watch.next() is None
        await asyncio.wait_for(stopping, 10)


async def test_watch_of_one_nodes_pods_sees_them_come_and_go(api: Api) -> None:
    """The watchers of the other nodes are not even woken."""
    query = {"fieldSelector": "spec.nodeName=n1", "resourceVersion": str(api.server.context.store.revision)}
    other = {**query, "fieldSelector": "spec.nodeName=n2"}
    async with api.watch("/api/v1/pods", **query) as watch, api.watch("/api/v1/pods", **other) as second:
        await api.make(PODS, pod("a"))
        await api.make(PODS, pod("b", nodeName="n2"))
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"}, "target": {"name": "n1"}}
        await api.make(f"{PODS}/a/binding", binding)
        await api.call("DELETE", f"{PODS}/a", {"gracePeriodSeconds": 0})
        assert await watch.take(2) == [("ADDED", "a"), ("DELETED", "a")]
        assert await second.take(1) == [("ADDED", "b")]
