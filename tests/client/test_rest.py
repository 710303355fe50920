"""Requests: paths, pages, errors, retries and warnings."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client import rest
from podsysctl.client.config import ClientConfig
from podsysctl.client.rest import Client
from tests.client.fake_api import CONFIG_MAPS, FakeApi, Kind, status


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "subresource", "path"),
    [
        (CONFIG_MAPS, "a", "b", "", "/api/v1/namespaces/a/configmaps/b"),
        (CONFIG_MAPS, None, "", "", "/api/v1/configmaps"),
        (Kind("apps", "v1", "deployments", True), "a", "b", "scale", "/apis/apps/v1/namespaces/a/deployments/b/scale"),
        (Kind("", "v1", "nodes", False), "ignored", "n/../x", "status", "/api/v1/nodes/n%2F..%2Fx/status"),
    ],
)
def test_resource_path_each_scope_names_the_object(
    kind: Kind, namespace: str | None, name: str, subresource: str, path: str
) -> None:
    """Core kinds live under /api, others under /apis, and a name cannot leave its segment."""
    assert rest.resource_path(kind, namespace, name, subresource) == path


async def test_list_with_pages_joins_them_and_completes_items(api: FakeApi, client: Client) -> None:
    """A paged list is one list, and its items say what they are."""
    for i in range(5):
        await api.put(f"m{i}")
    found = await client.list(CONFIG_MAPS, "default", limit=2)
    assert [o["metadata"]["name"] for o in found.items] == ["m0", "m1", "m2", "m3", "m4"]
    assert {(o["kind"], o["apiVersion"]) for o in found.items} == {("ConfigMap", "v1")}
    assert found.resource_version == str(api.revision)
    assert len(api.requests) == 3


async def test_list_whose_page_token_expired_starts_again_without_pages(api: FakeApi, client: Client) -> None:
    """410 in the middle of a paged list must not lose what was listed before it."""

    async def expired(_: web.Request) -> web.StreamResponse:
        return status(410, "Expired", "The provided continue parameter is too old")

    for i in range(3):
        await api.put(f"m{i}")
    api.answers = [api.handle_plainly, expired]
    found = await client.list(CONFIG_MAPS, "default", limit=2)
    assert len(found.items) == 3
    assert "limit" not in api.requests[-1].query


async def test_get_missing_raises_the_servers_status(client: Client) -> None:
    """The Status body becomes the error, word for word."""
    with pytest.raises(StatusError) as caught:
        await client.get(CONFIG_MAPS, "none", "default")
    assert (caught.value.code, caught.value.status_reason) == (404, "NotFound")
    assert caught.value.message == 'configmaps "none" not found'


@pytest.mark.parametrize(
    ("code", "body", "message"),
    [
        (404, "404 page not found", "the server could not find the requested resource"),
        (503, "", "the server is currently unable to handle the request"),
        (500, "boom", 'an error on the server ("boom") has prevented the request from succeeding'),
    ],
)
async def test_answer_without_status_has_client_go_words(
    api: FakeApi, client: Client, code: int, body: str, message: str
) -> None:
    """Answers of proxies and the like get the generic text of client-go."""

    async def plain(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=body)

    api.answers = [plain]
    with pytest.raises(StatusError) as caught:
        await client.get(CONFIG_MAPS, "x", "default")
    assert caught.value.message == message


async def test_post_asked_to_retry_is_sent_again(api: FakeApi, client: Client) -> None:
    """429 with Retry-After means nothing was done, so even a POST is repeated."""

    async def later(_: web.Request) -> web.StreamResponse:
        return status(429, "TooManyRequests", "busy", **{"Retry-After": "1"})

    async def made(request: web.Request) -> web.StreamResponse:
        return web.json_response(await request.json(), status=201)

    api.answers = [later, made]
    made_object = await client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
    assert made_object["metadata"]["name"] == "a"
    assert [r.method for r in api.requests] == ["POST", "POST"]


async def test_post_on_broken_connection_is_not_sent_again(api: FakeApi, client: Client) -> None:
    """A POST that may have been carried out is never repeated behind the caller's back."""

    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    api.answers = [cut]
    with pytest.raises(ConnectionFailedError):
        await client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
    assert len(api.requests) == 1


async def test_get_on_broken_connection_is_sent_again(api: FakeApi, client: Client) -> None:
    """A read is safe to repeat."""

    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    await api.put("a")
    api.answers = [cut]
    assert (await client.get(CONFIG_MAPS, "a", "default"))["metadata"]["name"] == "a"


async def test_request_to_closed_port_says_refused() -> None:
    """The person learns which server refused."""
    port = unused_port()
    async with Client(ClientConfig(server=f"http://127.0.0.1:{port}")) as client:
        with pytest.raises(ConnectionFailedError, match=f"127.0.0.1:{port} was refused"):
            await client.get(CONFIG_MAPS, "a", "default")


async def test_warning_headers_reach_the_callback(api: FakeApi) -> None:
    """Each Warning header is told once, unquoted."""

    async def warn(_: web.Request) -> web.StreamResponse:
        response = web.json_response({"kind": "ConfigMap"})
        response.headers.add("Warning", '299 - "unknown field \\"spec.foo\\""')
        response.headers.add("Warning", '299 - "second"')
        return response

    api.answers = [warn]
    heard: list[str] = []
    async with Client(ClientConfig(server=api.server), on_warning=heard.append) as client:
        await client.get(CONFIG_MAPS, "a", "default")
    assert heard == ['unknown field "spec.foo"', "second"]


async def test_identity_headers_carry_token_and_impersonation(api: FakeApi) -> None:
    """Token, user and each group are headers of their own."""
    config = ClientConfig(server=api.server, token="t").impersonating("jane", ("a", "b"))
    async with Client(config) as client:
        await client.list(CONFIG_MAPS)
    headers = api.requests[0].headers
    assert headers["Authorization"] == "Bearer t"
    assert headers["Impersonate-User"] == "jane"
    assert headers.getall("Impersonate-Group") == ["a", "b"]


async def test_websocket_refused_raises_the_status(api: FakeApi, client: Client) -> None:
    """The reason of a refused upgrade is the server's own, from one request."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        return status(400, "BadRequest", "container web is not valid for pod p")

    api.answers = [refuse]
    with pytest.raises(StatusError, match="container web is not valid"):
        await client.websocket("/api/v1/namespaces/a/pods/p/exec", [("command", "ls")], ("v5.channel.k8s.io",))
    assert len(api.requests) == 1
