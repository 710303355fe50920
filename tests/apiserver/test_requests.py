"""What the server does with requests as such: credentials, paths, encodings, bounds."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from podsysctl.apiserver import dispatch
from podsysctl.apiserver.context import Call
from podsysctl.base import limits
from tests.apiserver.api import CONFIG_MAPS, PODS, Api, client_tls, config_map, pod


async def test_request_without_credentials_is_unauthorized(api: Api) -> None:
    """Only probes and the version are answered to strangers."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as stranger:
        async with stranger.get(api.server.url + "/api/v1/pods") as answer:
            assert answer.status == 401
            assert (await answer.json())["message"] == "Unauthorized"
        async with stranger.get(api.server.url + "/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        async with stranger.get(api.server.url + "/metrics") as answer:
            assert answer.status == 401


async def test_request_with_wrong_token_is_unauthorized(api: Api) -> None:
    """A token of nobody is refused even where strangers are welcome."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as stranger:
        for path in ("/version", "/api/v1/pods"):
            async with stranger.get(api.server.url + path, headers={"Authorization": "Bearer x.y.z"}) as answer:
                assert answer.status == 401


async def test_request_of_user_without_rights_is_forbidden(api: Api) -> None:
    """The text names user, verb, resource, group and namespace."""
    tls = client_tls(api.server, "alice", "alice")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as alice:
        async with alice.get(api.server.url + PODS) as answer:
            body = await answer.json()
        assert answer.status == 403
        text = 'User "alice" cannot list resource "pods" in API group "" in the namespace "default"'
        assert body["message"] == f"pods is forbidden: {text}"
        async with alice.get(api.server.url + "/apis/apps/v1/deployments") as answer:
            body = await answer.json()
        assert body["message"].endswith('in API group "apps" at the cluster scope')
        async with alice.get(api.server.url + "/metrics") as answer:
            body = await answer.json()
        assert body["message"] == 'forbidden: User "alice" cannot get path "/metrics"'


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/namespaces/default/nothings", 404),
        ("GET", "/apis/none.io/v1/things", 404),
        ("GET", "/nothing", 404),
        ("POST", "/apis", 405),
        ("DELETE", "/api", 405),
        ("PROPFIND", "/apis/apps/v1", 405),
        ("PUT", "/apis/none.io", 404),
        ("POST", f"{PODS}/p", 405),
        ("GET", f"{PODS}/p/nothing", 404),
        ("PUT", f"{PODS}/p/log", 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("POST", "/api/v1/pods", 405),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
    ],
)
async def test_path_that_is_not_served_is_refused(api: Api, method: str, path: str, code: int) -> None:
    """Unknown resources are 404, unknown verbs 405, and all are a Status."""
    reply = await api.call(method, path, {} if method in ("POST", "PUT") else None)
    assert reply.code == code
    assert reply.body["kind"] == "Status"


async def test_object_that_is_missing_is_named(api: Api) -> None:
    """404 names resource and object, as clients print it."""
    reply = await api.call("GET", f"{PODS}/p")
    assert reply.code == 404
    assert reply.body["message"] == 'pods "p" not found'
    assert reply.body["details"] == {"name": "p", "kind": "pods"}


async def test_body_over_the_limit_is_refused(api: Api) -> None:
    """413 whether the length is announced or not, and the server goes on."""
    big = b'{"data": "' + b"x" * limits.REQUEST_BODY_BYTES + b'"}'

    async def chunks() -> object:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    reply = await api.call("POST", CONFIG_MAPS, raw=big)
    assert (reply.code, reply.body["reason"]) == (413, "RequestEntityTooLarge")
    headers = {"Content-Type": "application/json"}
    async with api.session.post(api.server.url + CONFIG_MAPS, data=chunks(), headers=headers) as answer:
        assert answer.status == 413
    assert (await api.call("GET", CONFIG_MAPS)).code == 200


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"a: [", "application/yaml"),
        (b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n".encode() for n in range(9)
        ), "application/yaml"),
        (b"k8s\0\xff\xff\xff\xff", "application/vnd.kubernetes.protobuf"),
        (b"nope", "application/vnd.kubernetes.protobuf"),
        (b'{"kind":"Pod","apiVersion":"v1","metadata":[]}', "application/json"),
        (b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":7}}', "application/json"),
        (b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}}', "application/json"),
    ],
)  # fmt: skip
async def test_body_that_cannot_be_read_is_a_bad_request(api: Api, body: bytes, media: str) -> None:
    """400 for every kind of nonsense, and the server goes on."""
    reply = await api.call("POST", CONFIG_MAPS, raw=body, media=media)
    assert reply.code in (400, 422), reply.body
    assert reply.body["kind"] == "Status"
    assert (await api.call("GET", CONFIG_MAPS)).code == 200


async def test_body_of_unknown_media_type_is_refused(api: Api) -> None:
    """415 lists what is accepted."""
    reply = await api.call("POST", PODS, raw=b"x", media="text/html")
    assert reply.code == 415
    assert reply.message.startswith("the body of the request was in an unknown format - accepted media types include:")


async def test_accept_that_cannot_be_served_is_refused(api: Api) -> None:
    """406 before anything happens."""
    assert (await api.call("GET", PODS, accept="text/html")).code == 406
    assert (await api.call("POST", PODS, pod(), accept="text/html")).code == 406
    assert (await api.call("GET", f"{PODS}/p")).code == 404


async def test_body_in_yaml_is_read_and_answered(api: Api) -> None:
    """YAML in, YAML out."""
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: why}\ndata: {a: 'yes'}\n"
    reply = await api.call("POST", CONFIG_MAPS, raw=text, media="application/yaml", accept="application/yaml")
    assert reply.code == 201
    assert "a: 'yes'" in reply.body


async def test_protobuf_alone_is_answered_in_json(api: Api) -> None:
    """Typed clients accept JSON although they prefer protobuf."""
    reply = await api.call("GET", PODS, accept="application/vnd.kubernetes.protobuf,application/json")
    assert reply.headers["Content-Type"].startswith("application/json")
    reply = await api.call("GET", PODS, accept="application/vnd.kubernetes.protobuf")
    assert reply.body["kind"] == "PodList"


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ({"labelSelector": "a=="}, 200, ""),
        ({"labelSelector": "a in b"}, 400, "unable to parse requirement"),
        ({"fieldSelector": "foo=bar"}, 400, "field label not supported: foo"),
        ({"limit": "x"}, 400, "strconv.ParseInt"),
        ({"limit": "1_0"}, 400, 'strconv.ParseInt: parsing "1_0": invalid syntax'),
        ({"limit": "9223372036854775807"}, 200, ""),
        ({"limit": "9223372036854775808"}, 400, "value out of range"),
        ({"limit": "1" * 5000}, 400, "value out of range"),
        ({"resourceVersion": "18446744073709551615"}, 504, "Too large resource version"),
        ({"resourceVersion": "18446744073709551616"}, 422, "value out of range"),
        ({"resourceVersion": "1" * 5000}, 422, "value out of range"),
        ({"resourceVersion": "\u00b2"}, 422, "invalid syntax"),
        ({"continue": "zzz"}, 400, "continue key is not valid"),
        ({"resourceVersion": "99999"}, 504, "Too large resource version: 99999"),
        ({"resourceVersionMatch": "Exact"}, 422, "is forbidden unless resourceVersion is provided"),
        ({"resourceVersion": "a"}, 422, "strconv.ParseUint"),
        ({"sendInitialEvents": "true"}, 422, "sendInitialEvents is forbidden for list"),
    ],
)
async def test_list_parameter_that_is_wrong_is_explained(api: Api, query: dict[str, str], code: int, text: str) -> None:
    """Upstream's code and text for each."""
    reply = await api.call("GET", PODS, **query)
    assert reply.code == code, reply.body
    assert text in str(reply.body.get("message", ""))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"dryRun": "maybe"}, 'dryRun: Unsupported value: ["maybe"]: supported values: "All"'),
        ({"fieldValidation": "Loud"}, 'fieldValidation: Unsupported value: "Loud"'),
        ({"fieldManager": "x" * 129}, "fieldManager: Too long: may not be more than 128 bytes"),
        ({"fieldManager": "a\tb"}, "fieldManager: Invalid value"),
    ],
)
async def test_write_parameter_that_is_wrong_is_explained(api: Api, query: dict[str, str], text: str) -> None:
    """422 of the options' own kind."""
    reply = await api.call("POST", CONFIG_MAPS, config_map(), **query)
    assert reply.code == 422
    assert reply.message.startswith('CreateOptions.meta.k8s.io "" is invalid: ')
    assert text in reply.message


async def test_probes_report_each_check(api: Api) -> None:
    """/readyz?verbose lists the checks, and single ones can be asked."""
    reply = await api.call("GET", "/readyz", verbose="")
    assert "[+]store ok" in reply.body
    assert reply.body.endswith("readyz check passed\n")
    assert (await api.call("GET", "/livez/ping")).body == "ok"
    assert (await api.call("GET", "/livez/nothing")).code == 404


async def test_version_is_that_of_the_behaviour_shown(api: Api) -> None:
    """Clients decide by it what they may use."""
    reply = await api.call("GET", "/version")
    assert reply.body["gitVersion"].startswith("v1.36")
    assert (reply.body["major"], reply.body["minor"]) == ("1", "36")


async def test_fault_of_the_server_is_told_as_a_status_and_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect is answered in the form that clients read, its place goes to the log, and the server lives on."""

    def defect(*_: object) -> bytes:
        raise KeyError("defect")

    with monkeypatch.context() as patched:
        patched.setitem(dispatch._HANDLERS, "list", defect)
        answer = await api.call("GET", PODS)
    assert answer.code == 500
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Internal error occurred: This request caused apiserver to panic. Look in the logs for details.",
        "reason": "InternalError",
        "details": {"causes": [{"message": "This request caused apiserver to panic. Look in the logs for details."}]},
        "code": 500,
    }
    (record,) = [entry for entry in caplog.records if entry.name == "podsysctl.apiserver"]
    assert record.getMessage() == f"GET {PODS} failed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)
    assert (await api.call("GET", PODS)).code == 200


async def test_fault_in_the_middle_of_an_answer_breaks_the_connection(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was begun must not look whole: no second answer is written behind it, and the stream has no proper end."""

    async def half(call: Call) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(call.http)
        await response.write(b'{"half":')
        raise KeyError("defect")

    monkeypatch.setitem(dispatch._HANDLERS, "list", half)
    with pytest.raises(aiohttp.ClientError):
        await api.call("GET", PODS)
    assert [entry.getMessage() for entry in caplog.records] == [f"GET {PODS} failed"]


async def test_root_lists_the_paths_that_are_served(api: Api) -> None:
    """In order, those of custom kinds too, and each of them answers."""
    paths = (await api.call("GET", "/")).body["paths"]
    assert paths == sorted(set(paths))
    wanted = {"/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/apis/tuned.openshift.io/v1"}
    wanted |= {"/healthz", "/livez/ping", "/readyz/shutdown", "/metrics", "/version", "/openapi/v2", "/openapi/v3"}
    wanted |= {"/openapi/v3/apis/apps/v1", "/openid/v1/jwks"}
    assert wanted <= set(paths)
    assert [path for path in paths if (await api.call("GET", path)).code != 200] == []
    assert (await api.call("GET", "/index.html")).body["paths"] == paths


async def test_root_is_shown_to_those_who_may_get_it(api: Api) -> None:
    """As upstream's default roles have it: no stranger, and no user without rights of that path."""
    answers = []
    for tls in (False, client_tls(api.server, "alice", "alice")):
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(connector=connector) as session, session.get(api.server.url) as answer:
            answers.append((answer.status, (await answer.json())["message"]))
    assert answers == [(401, "Unauthorized"), (403, 'forbidden: User "alice" cannot get path "/"')]


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "text/html, application/json;q=0.9"])
async def test_openapi_v2_is_a_document_for_clients_of_json(api: Api, accept: str) -> None:
    """Small, and valid: swagger, info and paths are all that is required."""
    reply = await api.call("GET", "/openapi/v2", accept=accept)
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.body["swagger"] == "2.0"
    assert set(reply.body["info"]) == {"title", "version"}
    assert (reply.body["paths"], reply.body["definitions"]) == ({}, {})


@pytest.mark.parametrize("sign", ["@", "."])
async def test_openapi_v2_is_empty_for_clients_of_protobuf(api: Api, sign: str) -> None:
    """Both names of that form; JSON that is only a second choice is not taken."""
    accept = f"application/com.github.proto-openapi.spec.v2{sign}v1.0+protobuf,application/json;q=0.5"
    reply = await api.call("GET", "/openapi/v2", accept=accept)
    assert (reply.code, reply.body) == (200, "")
    assert reply.headers["Content-Type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


async def test_openapi_v2_in_another_form_is_not_acceptable(api: Api) -> None:
    """406, as a Status."""
    reply = await api.call("GET", "/openapi/v2", accept="text/html")
    assert (reply.code, reply.body["reason"]) == (406, "NotAcceptable")
