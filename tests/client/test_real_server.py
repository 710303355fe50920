"""The client against our own API server, over TLS and in memory: what the fake promises must hold there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client import discovery
from podsysctl.client.config import ClientConfig
from podsysctl.client.events import EVENTS, EventRecorder
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client, Object
from podsysctl.objects.kinds import builtin_by_resource

CONFIG_MAPS = builtin_by_resource("", "v1", "configmaps")
NAMESPACE = "default"
Eventually = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with ApiServer(ServerConfig(tmp_path / "d", port=0)) as running:
        yield running


def config_of(server: ApiServer) -> ClientConfig:
    """An administrator's configuration."""
    credential = server.credential("client-test", "tester", ("system:masters",))
    return ClientConfig(
        server=server.url,
        ca=server.authority.ca_pem,
        client_cert=credential.certificate,
        client_key=credential.key,
    )


@pytest.fixture(params=["tls", "memory"])
async def client(request: pytest.FixtureRequest, server: ApiServer) -> AsyncIterator[Client]:
    in_memory = Client(ClientConfig(server=server.url), in_process=server.in_process("tester", ("system:masters",)))
    async with in_memory if request.param == "memory" else Client(config_of(server)) as opened:
        yield opened


def config_map(name: str, **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"test": "client"}},
        "data": data,
    }


async def test_each_verb_does_what_it_says(client: Client) -> None:
    """create, get, update, patch of three types, list, delete."""
    made = await client.create(CONFIG_MAPS, config_map("m", a="1"))
    made["data"]["a"] = "2"
    updated = await client.update(CONFIG_MAPS, made)
    with pytest.raises(StatusError) as stale:
        await client.update(CONFIG_MAPS, made)
    assert (stale.value.code, stale.value.status_reason) == (409, "Conflict")
    merged = await client.patch(CONFIG_MAPS, "m", {"data": {"b": "x"}}, namespace=NAMESPACE)
    assert merged["data"] == {"a": "2", "b": "x"}
    await client.patch(CONFIG_MAPS, "m", [{"op": "remove", "path": "/data/b"}], namespace=NAMESPACE, patch_type="json")
    applied = await client.patch(
        CONFIG_MAPS,
        "m",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"c": "3"}},
        namespace=NAMESPACE,
        patch_type="apply",
        field_manager="tester",
    )
    assert applied["data"] == {"a": "2", "c": "3"}
    found = await client.list(CONFIG_MAPS, NAMESPACE, label_selector="test=client", limit=1)
    assert [(o["metadata"]["name"], o["kind"]) for o in found.items] == [("m", "ConfigMap")]
    with pytest.raises(StatusError) as wrong:
        await client.delete(CONFIG_MAPS, "m", NAMESPACE, uid="another")
    assert wrong.value.code == 409
    await client.delete(CONFIG_MAPS, "m", NAMESPACE, uid=updated["metadata"]["uid"])
    with pytest.raises(StatusError) as gone:
        await client.get(CONFIG_MAPS, "m", NAMESPACE)
    assert gone.value.message == 'configmaps "m" not found'


async def test_warning_is_heard_letter_by_letter(server: ApiServer) -> None:
    """Whatever alphabet it is written in."""
    heard: list[str] = []
    async with Client(config_of(server), on_warning=heard.append) as client:
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "größe": 1}
        await client.request("POST", "/api/v1/namespaces/default/configmaps", body=obj)
    assert heard == ['unknown field "größe"']


async def test_dry_run_changes_nothing_and_warnings_are_heard(server: ApiServer) -> None:
    """A dry run answers as the real thing would, and unknown fields come as warnings."""
    heard: list[str] = []
    async with Client(config_of(server), on_warning=heard.append) as client:
        odd = {**config_map("m"), "odd": 1}
        await client.create(CONFIG_MAPS, odd, dry_run=True, field_validation="Warn")
        assert heard == ['unknown field "odd"']
        with pytest.raises(StatusError):
            await client.get(CONFIG_MAPS, "m", NAMESPACE)


async def test_informer_follows_through_ended_watches(client: Client, eventually: Eventually) -> None:
    """Events arrive in order; a selector keeps others out."""
    heard: list[str] = []
    informer = Informer(client, CONFIG_MAPS, NAMESPACE, label_selector="test=client")
    informer.add_handler(
        on_add=lambda o: heard.append(f"add {o['metadata']['name']}"),
        on_update=lambda old, new: heard.append(f"update {old['data']}->{new['data']}"),
        on_delete=lambda o: heard.append(f"delete {o['metadata']['name']}"),
    )
    task = asyncio.create_task(informer.run())
    await informer.wait_synced(10)
    await client.create(CONFIG_MAPS, config_map("m", a="1"))
    await client.create(CONFIG_MAPS, {**config_map("other"), "metadata": {"name": "o", "namespace": NAMESPACE}})
    await client.patch(CONFIG_MAPS, "m", {"data": {"a": "2"}}, namespace=NAMESPACE)
    await client.delete(CONFIG_MAPS, "m", NAMESPACE)
    await eventually(lambda: len(heard) == 3)
    assert heard == ["add m", "update {'a': '1'}->{'a': '2'}", "delete m"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_informer_survives_a_restart_of_the_server(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes and comes back on its port: nothing is lost and nothing told twice."""
    from podsysctl.client import informer as informer_module

    monkeypatch.setattr(informer_module, "BACKOFF_S", (0.01, 0.1))
    heard: list[str] = []
    async with ApiServer(ServerConfig(tmp_path / "d", port=0)) as first:
        port, config = first.port, config_of(first)
        client = await Client(config).__aenter__()
        informer = Informer(client, CONFIG_MAPS, NAMESPACE, label_selector="test=client")
        informer.add_handler(on_add=lambda o: heard.append(o["metadata"]["name"]))
        task = asyncio.create_task(informer.run())
        await informer.wait_synced(10)
        await client.create(CONFIG_MAPS, config_map("before"))
        await eventually(lambda: heard == ["before"])
    async with ApiServer(ServerConfig(tmp_path / "d", port=port)):
        async with Client(config) as other:
            await other.create(CONFIG_MAPS, config_map("after"))
        await eventually(lambda: heard == ["before", "after"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.__aexit__()


async def test_watch_from_an_old_revision_replays(client: Client) -> None:
    """A watch that starts at a list's revision misses nothing in between."""
    start = (await client.list(CONFIG_MAPS, NAMESPACE)).resource_version
    for name in ("a", "b"):
        await client.create(CONFIG_MAPS, config_map(name))
    seen = []
    events = client.watch(CONFIG_MAPS, NAMESPACE, resource_version=start, label_selector="test=client", timeout_s=1)
    async for event in events:
        if event.type != "BOOKMARK":
            seen.append((event.type, event.object["metadata"]["name"]))
    assert seen == [("ADDED", "a"), ("ADDED", "b")]


async def test_recorder_writes_one_event_and_counts(client: Client) -> None:
    """Three equal events are one object with a count of three."""
    recorder = EventRecorder(client, "tester", "n1")
    task = asyncio.create_task(recorder.run())
    made = await client.create(CONFIG_MAPS, config_map("m"))
    for _ in range(3):
        recorder.event(made, "Normal", "Tested", "all is well")
    await recorder.flush()
    found = (await client.list(EVENTS, NAMESPACE, field_selector="involvedObject.name=m")).items
    assert [(e["reason"], e["count"], e["source"]) for e in found] == [
        ("Tested", 3, {"component": "tester", "host": "n1"})
    ]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_discover_finds_core_and_custom_kinds(client: Client) -> None:
    """Short names, kinds and qualified names lead to the kind; unknown words are told as kubectl tells them."""
    mapper = await discovery.discover(client)
    assert mapper.find("po").plural == "pods"
    assert mapper.find("Pod").namespaced
    assert mapper.find("mcp").qualified == "machineconfigpools.machineconfiguration.openshift.io"
    assert mapper.find("deployments.apps").api_version == "apps/v1"
    assert "status" in mapper.find("pods").subresources
    with pytest.raises(discovery.UnknownResourceError, match='the server doesn\'t have a resource type "nothings"'):
        mapper.find("nothings")


async def test_wrong_ca_is_refused_with_its_reason(server: ApiServer, tmp_path: Path) -> None:
    """A server that somebody else signed is not talked to."""
    async with ApiServer(ServerConfig(tmp_path / "other", port=0)) as other:
        mixed = ClientConfig(server=server.url, ca=other.authority.ca_pem)
        async with Client(mixed) as client:
            with pytest.raises(ConnectionFailedError, match=r"certificate of 127\.0\.0\.1:\d+ cannot be verified"):
                await client.list(CONFIG_MAPS)


async def test_no_credentials_are_unauthorized(server: ApiServer) -> None:
    """Without a certificate or a token the answer is 401."""
    async with Client(ClientConfig(server=server.url, ca=server.authority.ca_pem)) as client:
        with pytest.raises(StatusError) as refused:
            await client.list(CONFIG_MAPS)
    assert refused.value.code == 401


async def test_a_component_has_the_rights_of_its_name_alone(server: ApiServer) -> None:
    """A connection in memory is somebody, as the server was told: with groups, rights and refusals."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    async with Client(ClientConfig(server=server.url), in_process=server.in_process("someone", ("some",))) as client:
        answer = await client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
        assert answer["status"]["userInfo"]["username"] == "someone"
        assert answer["status"]["userInfo"]["groups"] == ["some", "system:authenticated"]
        with pytest.raises(StatusError) as refused:
            await client.list(CONFIG_MAPS, NAMESPACE)
        assert refused.value.code == 403


async def test_a_connection_in_memory_ends_with_its_server(tmp_path: Path) -> None:
    """A watch ends, and later requests say that the server is gone, as over the network."""
    has_begun = asyncio.Event()

    async def follow(client: Client) -> None:
        async for _ in client.watch(CONFIG_MAPS, NAMESPACE):
            has_begun.set()

    server = ApiServer(ServerConfig(tmp_path / "d", port=0))
    await server.start()
    way = server.in_process("tester", ("system:masters",))
    async with Client(ClientConfig(server=server.url), in_process=way) as client, asyncio.timeout(10):
        watching = asyncio.create_task(follow(client))
        await has_begun.wait()
        await server.stop()
        await watching
        with pytest.raises(ConnectionFailedError):
            await client.list(CONFIG_MAPS, NAMESPACE)
        with pytest.raises(ConnectionFailedError):
            await client.create(CONFIG_MAPS, config_map("m"))


async def test_upgrades_work_in_memory(server: ApiServer) -> None:
    """A request for another protocol is refused with a Status, not with a broken connection."""
    way = server.in_process("t", ("system:masters",))
    async with Client(ClientConfig(server=server.url), in_process=way) as client:
        path = "/api/v1/namespaces/default/pods/none/exec"
        with pytest.raises(StatusError) as refused:
            await client.websocket(path, [("command", "a")], ("v4.channel.k8s.io",))
        assert refused.value.code == 404
