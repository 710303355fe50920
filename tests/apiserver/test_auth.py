"""Who may do what: RBAC, impersonation, reviews, credentials on disk."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import make_mocked_request

from podsysctl.apiserver import requestinfo
from podsysctl.apiserver.audit import AuditLog, Trail
from podsysctl.apiserver.auth import coverage
from podsysctl.apiserver.auth.rbac import Attributes, Authorizer, rule_allows
from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.apiserver.pki import Authority
from podsysctl.apiserver.store import Store
from podsysctl.base import limits
from podsysctl.base.clock import FakeClock
from podsysctl.objects import tuning
from tests.apiserver.api import CONFIG_MAPS, PODS, Api, client_tls, config_map, running

RBAC = "rbac.authorization.k8s.io"
ALICE = UserInfo("alice", ("dev", "system:authenticated"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "store")
    await opened.open()
    yield opened
    await opened.close()


def rule(verbs: str, resources: str, groups: str = "", names: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {
        "verbs": verbs.split(","),
        "resources": resources.split(","),
        "apiGroups": groups.split(","),
    }
    return {**made, "resourceNames": names.split(",")} if names else made


@pytest.mark.parametrize(
    ("given", "asked", "allowed"),
    [
        (rule("get", "pods"), {"verb": "get", "resource": "pods"}, True),
        (rule("get", "pods"), {"verb": "list", "resource": "pods"}, False),
        (rule("get", "pods"), {"verb": "get", "resource": "pods", "group": "apps"}, False),
        (rule("get", "pods"), {"verb": "get", "resource": "pods", "subresource": "log"}, False),
        (rule("get", "pods/log"), {"verb": "get", "resource": "pods", "subresource": "log"}, True),
        (rule("get", "*/log"), {"verb": "get", "resource": "pods", "subresource": "log"}, True),
        (rule("*", "*", "*"), {"verb": "get", "resource": "pods", "subresource": "log"}, True),
        (rule("get", "pods", names="a"), {"verb": "get", "resource": "pods", "name": "a"}, True),
        (rule("get", "pods", names="a"), {"verb": "get", "resource": "pods", "name": "b"}, False),
        (rule("list", "pods", names="a"), {"verb": "list", "resource": "pods"}, False),
        ({"verbs": ["get"], "nonResourceURLs": ["/a/*"]}, {"verb": "get", "path": "/a/b"}, True),
        ({"verbs": ["get"], "nonResourceURLs": ["/a/*"]}, {"verb": "get", "path": "/b"}, False),
        ({"verbs": ["get"], "nonResourceURLs": ["*"]}, {"verb": "get", "resource": "pods"}, False),
    ],
)
def test_rule_allows_what_it_names(given: dict[str, Any], asked: dict[str, str], allowed: bool) -> None:
    """Verbs, groups, resources, subresources, names and paths, each with its wildcard."""
    assert rule_allows(given, Attributes(ALICE, **asked)) is allowed


async def write(store: Store, plural: str, name: str, namespace: str = "", **body: Any) -> None:
    key = f"{namespace}/{name}" if namespace else name
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **body.pop("metadata", {})}
    await store.create(f"{plural}.{RBAC}", key, {"metadata": metadata, **body})


def role_ref(name: str, kind: str = "ClusterRole") -> dict[str, str]:
    return {"kind": kind, "name": name, "apiGroup": RBAC}


async def test_binding_holds_in_its_namespace_only(store: Store) -> None:
    """A RoleBinding to a ClusterRole grants in one namespace, a ClusterRoleBinding everywhere."""
    authorizer = Authorizer(store)
    asked = Attributes(ALICE, "get", resource="pods", namespace="a")
    assert not authorizer.authorize(asked).allowed
    await write(store, "clusterroles", "reader", rules=[rule("get", "pods")])
    subject = {"kind": "Group", "name": "dev", "apiGroup": RBAC}
    await write(store, "rolebindings", "b", "a", roleRef=role_ref("reader"), subjects=[subject])
    decision = authorizer.authorize(asked)
    assert decision.allowed
    assert decision.reason == 'RBAC: allowed by RoleBinding "b/a" of ClusterRole "reader" to Group "dev"'
    assert not authorizer.authorize(Attributes(ALICE, "get", resource="pods", namespace="b")).allowed
    await write(store, "clusterrolebindings", "c", roleRef=role_ref("reader"), subjects=[subject])
    assert authorizer.authorize(Attributes(ALICE, "get", resource="pods", namespace="b")).allowed


async def test_service_account_is_bound_by_namespace_and_name(store: Store) -> None:
    """Its user name is made of both."""
    authorizer = Authorizer(store)
    await write(store, "roles", "r", "a", rules=[rule("get", "pods")])
    subject = {"kind": "ServiceAccount", "name": "bot", "namespace": "b"}
    await write(store, "rolebindings", "b", "a", roleRef=role_ref("r", "Role"), subjects=[subject])
    bot = UserInfo("system:serviceaccount:b:bot")
    assert authorizer.authorize(Attributes(bot, "get", resource="pods", namespace="a")).allowed
    other = UserInfo("system:serviceaccount:a:bot")
    assert not authorizer.authorize(Attributes(other, "get", resource="pods", namespace="a")).allowed


async def test_aggregated_role_is_the_union_of_what_it_selects(store: Store) -> None:
    """Roles added later count too, nested aggregation included."""
    authorizer = Authorizer(store)

    def selecting(label: str) -> dict[str, Any]:
        return {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}

    await write(store, "clusterroles", "edit", aggregationRule=selecting("to-edit"))
    await write(
        store, "clusterroles", "view", aggregationRule=selecting("to-view"), metadata={"labels": {"to-edit": "true"}}
    )
    subject = {"kind": "User", "name": "alice", "apiGroup": RBAC}
    await write(store, "clusterrolebindings", "b", roleRef=role_ref("edit"), subjects=[subject])
    asked = Attributes(ALICE, "get", resource="pods")
    assert not authorizer.authorize(asked).allowed
    await write(store, "clusterroles", "x", rules=[rule("get", "pods")], metadata={"labels": {"to-view": "true"}})
    assert authorizer.authorize(asked).allowed


async def test_aggregated_roles_that_select_each_other_are_united(store: Store) -> None:
    """However many there are: every way through them was gone before, and twenty took longer than anyone waits."""
    everything = {"clusterRoleSelectors": [{"matchLabels": {"all": "yes"}}]}
    for n in range(20):
        metadata = {"labels": {"all": "yes"}}
        await write(store, "clusterroles", f"r{n}", metadata=metadata, aggregationRule=everything)
    await write(store, "clusterroles", "leaf", metadata={"labels": {"all": "yes"}}, rules=[rule("get", "pods")])
    subjects = [{"kind": "User", "name": "alice"}]
    await write(store, "clusterrolebindings", "b", roleRef=role_ref("r7"), subjects=subjects)
    authorizer = Authorizer(store)
    assert authorizer.authorize(Attributes(ALICE, "get", resource="pods")).allowed
    assert not authorizer.authorize(Attributes(ALICE, "list", resource="pods")).allowed


async def test_full_groups_need_no_role(store: Store) -> None:
    """A broken or missing role never locks the owner out."""
    authorizer = Authorizer(store)
    for group in ("system:masters", "system:cluster-admins"):
        assert authorizer.authorize(Attributes(UserInfo("x", (group,)), "delete", resource="nodes")).allowed


async def as_user(api: Api, user: str, path: str, *groups: str) -> tuple[int, Any]:
    """What a user with a client certificate gets."""
    connector = aiohttp.TCPConnector(ssl=client_tls(api.server, user.replace(":", "-"), user, groups))
    async with aiohttp.ClientSession(connector=connector) as session, session.get(api.server.url + path) as answer:
        return answer.status, orjson.loads(await answer.read())


async def test_default_roles_serve_the_components(api: Api) -> None:
    """Scheduler and nodes may do their work, and no more."""
    assert (await as_user(api, "system:kube-scheduler", PODS))[0] == 200
    assert (await as_user(api, "system:kube-scheduler", "/api/v1/secrets"))[0] == 403
    assert (await as_user(api, "system:node:n1", "/api/v1/pods", "system:nodes"))[0] == 200
    assert (await as_user(api, "system:node:n1", "/apis/apps/v1/deployments", "system:nodes"))[0] == 403
    assert (await as_user(api, "nobody", "/apis"))[0] == 200


async def test_node_writes_the_status_of_its_own_profile_alone(api: Api) -> None:
    """It reads all, but another's status, and every specification, are not its to write."""
    path = f"/apis/tuned.openshift.io/v1/namespaces/{tuning.NAMESPACE}/profiles"
    await api.make("/api/v1/namespaces", {"metadata": {"name": tuning.NAMESPACE}})
    for name in ("n1", "n2"):
        await api.make(
            path,
            {
                "apiVersion": "tuned.openshift.io/v1",
                "kind": "Profile",
                "metadata": {"name": name},
                "spec": {"config": {"tunedProfile": "p"}},
            },
        )
    tls = client_tls(api.server, "system-node-n1", "system:node:n1", ("system:nodes",))
    headers = {"Content-Type": "application/merge-patch+json"}
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(api.server.url, connector=connector, headers=headers) as session:

        async def patch(name: str, body: Any) -> tuple[int, str]:
            async with session.patch(f"{path}/{name}", data=orjson.dumps(body)) as answer:
                return answer.status, str((await answer.json()).get("message", ""))

        status = {"status": {"tunedProfile": "p"}}
        assert (await patch("n1/status", status))[0] == 200
        code, message = await patch("n2/status", status)
        assert code == 403
        assert f"node n1 may only write the status of Profile {tuning.NAMESPACE}/n1" in message
        assert (await patch("n1", {"spec": {"config": {"tunedProfile": "q"}}}))[0] == 403
        async with session.get(path) as answer:
            assert answer.status == 200


async def test_impersonation_needs_the_right_and_takes_the_place(api: Api) -> None:
    """The administrator may act as anyone; others may not; the answer is the other one's."""
    headers = {"Impersonate-User": "alice", "Impersonate-Group": "dev"}
    reply = await api.call("GET", PODS, headers=headers)
    assert reply.code == 403
    assert 'User "alice" cannot list resource "pods"' in reply.message
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    seen = (await api.call("POST", path, review, headers=headers)).body["status"]["userInfo"]
    assert seen == {"username": "alice", "groups": ["dev", "system:authenticated"]}
    connector = aiohttp.TCPConnector(ssl=client_tls(api.server, "bob", "bob"))
    async with (
        aiohttp.ClientSession(connector=connector) as bob,
        bob.get(api.server.url + PODS, headers={"Impersonate-User": "alice"}) as answer,
    ):
        assert answer.status == 403
        text = 'User "bob" cannot impersonate resource "users" in API group "" at the cluster scope'
        assert (await answer.json())["message"] == f'users "alice" is forbidden: {text}'
    nameless = await api.call("GET", PODS, headers={"Impersonate-Group": "dev"})
    assert nameless.code == 500


async def test_access_reviews_answer_for_oneself_and_others(api: Api) -> None:
    """What `kubectl auth can-i` asks."""
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    path = "/apis/authorization.k8s.io/v1"
    spec = {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "default"}}
    mine = await api.make(f"{path}/selfsubjectaccessreviews", {**kind, "spec": spec})
    assert mine["status"]["allowed"] is True
    other = {**kind, "kind": "SubjectAccessReview", "spec": {**spec, "user": "alice"}}
    assert (await api.make(f"{path}/subjectaccessreviews", other))["status"]["allowed"] is False
    local = {**other, "kind": "LocalSubjectAccessReview", "metadata": {"namespace": "default"}}
    made = await api.make(f"{path}/namespaces/default/localsubjectaccessreviews", local)
    assert made["status"]["allowed"] is False
    nothing = await api.call("POST", f"{path}/selfsubjectaccessreviews", {**kind, "spec": {}})
    assert nothing.code == 422
    rules = {**kind, "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}}
    state = (await api.make(f"{path}/selfsubjectrulesreviews", rules))["status"]
    assert state["resourceRules"][0]["resources"] == ["*"]


async def test_static_token_is_the_administrator(api: Api) -> None:
    """The file in the data directory holds it."""
    token = (api.server.config.pki_dir / "admin.token").read_text().strip()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
        session.get(api.server.url + "/api/v1/secrets", headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        assert answer.status == 200


async def test_empty_token_file_is_written_anew(tmp_path: Path) -> None:
    """What a crash in the middle of the first start left must not be the administrator's token for ever."""
    (tmp_path / "data" / "pki").mkdir(parents=True)
    file = tmp_path / "data" / "pki" / "admin.token"
    file.touch(mode=0o600)
    async with running(tmp_path / "data"):
        token = file.read_text().strip()
        assert len(token) > 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with running(tmp_path / "data"):
        assert file.read_text().strip() == token


async def test_credentials_on_disk_are_for_the_owner_alone(api: Api) -> None:
    """Keys, tokens, kubeconfig and database are mode 0600."""
    api.server.credential("admin", "kubernetes-admin", ("system:masters",))
    config = api.server.config
    files = [*config.pki_dir.iterdir(), config.store_dir / "state.db", config.audit_log]
    assert len(files) > 6
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_certificates_are_kept_until_names_change(tmp_path: Path) -> None:
    """A restart reuses them; a new serving name makes a new serving certificate under the same authority."""
    first = Authority(tmp_path)
    first.server_context(["127.0.0.1"])
    serving = (tmp_path / "apiserver.crt").read_bytes()
    again = Authority(tmp_path)
    assert again.ca_pem == first.ca_pem
    again.server_context(["127.0.0.1"])
    assert (tmp_path / "apiserver.crt").read_bytes() == serving
    again.server_context(["127.0.0.1", "cluster.local"])
    assert (tmp_path / "apiserver.crt").read_bytes() != serving


async def test_audit_log_has_writes_and_refusals(api: Api) -> None:
    """One line each, with user, verb, path and code; reads leave none."""
    log = api.server.config.audit_log
    await api.call("GET", PODS)
    await api.call("POST", PODS, {})
    await as_user(api, "mallory", PODS)
    lines = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    assert [(line["user"], line["verb"], line["code"]) for line in lines] == [
        ("kubernetes-admin", "create", 422),
        ("mallory", "list", 403),
    ]


def test_audit_log_that_cannot_be_rotated_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines are dropped meanwhile; none goes to whatever else was opened in between under the closed file's number."""
    monkeypatch.setattr(limits, "AUDIT_LOG_BYTES", 1)
    log = AuditLog(tmp_path / "audit.log", FakeClock())
    request = make_mocked_request("POST", "/api/v1/pods")
    info = requestinfo.parse("POST", "/api/v1/pods", {})
    with monkeypatch.context() as full:

        def refuse(*_: object, **__: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr(os, "open", refuse)
        log.done(request, info, Trail(user="lost"), 201)
    assert log.dropped == 1
    with (tmp_path / "other").open("wb", buffering=0) as other:
        log.done(request, info, Trail(user="kept"), 201)
        assert other.tell() == 0
    log.close()
    assert [orjson.loads(line)["user"] for line in (tmp_path / "audit.log").read_bytes().splitlines()] == ["kept"]
    assert (tmp_path / "other").read_bytes() == b""


async def test_header_that_is_no_text_keeps_no_request_out_of_the_audit_log(api: Api) -> None:
    """A write whose User-Agent is no UTF-8 is answered and logged; so is whoever impersonates such a name."""
    odd = "\udcff"  # a byte 0xff, as aiohttp writes and reads it
    tls = client_tls(api.server, "admin", "kubernetes-admin", ("system:masters",))

    stranger = ssl.create_default_context(cadata=api.server.authority.ca_pem.decode())

    async def answer(method: str, path: str, header: str, body: bytes, tls: ssl.SSLContext = tls) -> bytes:
        reader, writer = await asyncio.open_connection(api.server.config.address, api.server.port, ssl=tls)
        lines = (f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", header, f"Content-Length: {len(body)}")
        writer.write("\r\n".join(lines).encode(errors="surrogateescape") + b"\r\n\r\n" + body)
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n")
        writer.close()
        return head

    made = await answer("POST", CONFIG_MAPS, f"User-Agent: {odd}", orjson.dumps(config_map("odd")))
    assert made == b"HTTP/1.1 201 Created\r\n"
    refused = await answer("DELETE", f"{CONFIG_MAPS}/odd", f"Impersonate-User: {odd}", b"")
    assert refused == b"HTTP/1.1 403 Forbidden\r\n"
    lines = [orjson.loads(line) for line in api.server.config.audit_log.read_bytes().splitlines()[-2:]]
    assert [(line["verb"], line["code"]) for line in lines] == [("create", 201), ("delete", 403)]
    unknown = await answer("GET", CONFIG_MAPS, f"Authorization: Bearer {odd}", b"", stranger)
    assert unknown == b"HTTP/1.1 401 Unauthorized\r\n"


async def test_metrics_count_requests_and_objects(api: Api) -> None:
    """In the text format, and nothing grows with paths that do not exist."""
    await api.call("GET", PODS)
    for n in range(5):
        await api.call("GET", f"/apis/x{n}/v1/things")
    text = (await api.call("GET", "/metrics")).body
    line = 'apiserver_request_total{code="200",group="",resource="pods",subresource="",verb="LIST"}'
    assert any(found.startswith(line) for found in text.splitlines())
    assert "things" not in text
    assert 'apiserver_storage_objects{resource="namespaces"} 4.0' in text


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        ([rule("get", "pods")], [rule("get", "pods")], []),
        ([rule("*", "*", "*")], [rule("get,list", "pods,nodes")], []),
        ([rule("get", "pods")], [rule("get,list,watch", "pods")],
         ['{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}']),
        ([rule("get", "*/log")], [rule("get", "pods/log")], []),
        ([rule("get", "pods", names="a")], [rule("get", "pods", names="a")], []),
        ([rule("get", "pods", names="a")], [rule("get", "pods")],
         ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}']),
        ([], [{"verbs": ["get"], "nonResourceURLs": ["/x"]}], ['{NonResourceURLs:["/x"], Verbs:["get"]}']),
    ],
)  # fmt: skip
def test_missing_rules_are_named(held: list[Any], wanted: list[Any], missing: list[str]) -> None:
    """What one lacks to give something away."""
    assert [coverage.describe(found) for found in coverage.missing_rules(held, wanted)] == missing


async def test_rights_that_one_lacks_cannot_be_given(api: Api) -> None:
    """A namespace's admin grants what admins have, and not the cluster."""
    subject = {"kind": "User", "name": "eve", "apiGroup": RBAC}
    path = f"/apis/{RBAC}/v1/namespaces/default"

    def grant(name: str, role: str) -> dict[str, Any]:
        kind = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": name}}
        return {**kind, "roleRef": role_ref(role), "subjects": [subject]}

    await api.make(f"{path}/rolebindings", grant("eve", "admin"))
    as_eve = {"Impersonate-User": "eve"}
    assert (await api.call("POST", f"{path}/rolebindings", grant("a", "view"), headers=as_eve)).code == 201
    refused = await api.call("POST", f"{path}/rolebindings", grant("b", "cluster-admin"), headers=as_eve)
    assert refused.code == 403
    assert refused.message.startswith(
        f'rolebindings.{RBAC} "b" is forbidden: user "eve" (groups=["system:authenticated"]) is attempting to grant '
        "RBAC permissions not currently held:\n"
    )
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [rule("get", "nodes")]}
    refused = await api.call("POST", f"{path}/roles", role, headers=as_eve)
    assert '{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}' in refused.message
    assert (await api.call("POST", f"{path}/rolebindings", grant("c", "nothing"), headers=as_eve)).code == 404


async def test_role_of_more_rights_than_are_compared_is_refused(api: Api) -> None:
    """Three lists multiply: a small body could keep the server busy for hours."""
    path = f"/apis/{RBAC}/v1/namespaces/default"
    kind = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": "eve"}}
    subject = {"kind": "User", "name": "eve", "apiGroup": RBAC}
    binding = {**kind, "kind": "RoleBinding", "roleRef": role_ref("admin"), "subjects": [subject]}
    await api.make(f"{path}/rolebindings", binding)
    many = [f"x{n}" for n in range(1000)]
    huge = {**kind, "kind": "Role", "rules": [{"verbs": many, "apiGroups": many, "resources": many}]}
    refused = await api.call("POST", f"{path}/roles", huge, headers={"Impersonate-User": "eve"})
    assert refused.code == 403
    assert "1000000000 single rights are more than the 100000 that are compared" in refused.message
    assert coverage.count([rule("get,list", "a,b,c", names="x,y"), {"verbs": ["get"], "nonResourceURLs": ["/a"]}]) == 13
    assert (await api.call("POST", f"{path}/roles", huge)).code == 201


async def test_role_that_one_could_not_write_can_be_let_go(api: Api) -> None:
    """Finalizers and owners grant nothing: the garbage collector takes them off, and may change no rule."""
    path, merge = f"/apis/{RBAC}/v1/clusterroles", "application/merge-patch+json"
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": [rule("*", "*")]}
    await api.make(path, role)
    assert (await api.call("DELETE", f"{path}/r", {"propagationPolicy": "Orphan"})).code == 200
    collector = {"Impersonate-User": "system:kube-controller-manager"}
    more = {"metadata": {"finalizers": None}, "rules": [rule("*", "*", "apps")]}
    assert (await api.call("PATCH", f"{path}/r", more, media=merge, headers=collector)).code == 403
    less = {"metadata": {"finalizers": None}}
    assert (await api.call("PATCH", f"{path}/r", less, media=merge, headers=collector)).code == 200
    assert (await api.call("GET", f"{path}/r")).code == 404


async def test_rule_with_resource_names_allows_lists_and_watches_of_those_names_alone(api: Api) -> None:
    """A list or watch that a field selector or the path limits to one name asks for that name, and shows no other."""
    path = f"/apis/{RBAC}/v1/namespaces/default"
    kind, metadata = {"apiVersion": f"{RBAC}/v1"}, {"metadata": {"name": "one"}}
    role = {**kind, **metadata, "kind": "Role", "rules": [rule("list,watch", "configmaps", names="a")]}
    binding = {**kind, **metadata, "kind": "RoleBinding", "roleRef": role_ref("one", "Role")}
    await api.make(f"{path}/roles", role)
    subject = {"kind": "User", "name": "eve", "apiGroup": RBAC}
    await api.make(f"{path}/rolebindings", {**binding, "subjects": [subject]})
    for name in ("a", "b"):
        await api.make(CONFIG_MAPS, config_map(name))
    as_eve = {"Impersonate-User": "eve"}
    listed = await api.call("GET", CONFIG_MAPS, headers=as_eve, fieldSelector="metadata.name=a")
    assert [item["metadata"]["name"] for item in listed.body["items"]] == ["a"]
    for selector in ("metadata.name=b", "metadata.name!=a", "metadata.name=a/b", ""):
        refused = await api.call("GET", CONFIG_MAPS, headers=as_eve, fieldSelector=selector)
        assert refused.code == 403, selector
    watched = CONFIG_MAPS.replace("/v1/", "/v1/watch/")
    seen = await api.call("GET", f"{watched}/a", headers=as_eve, timeoutSeconds=1)
    assert seen.body["object"]["metadata"]["name"] == "a", "one event is one document"
    assert (await api.call("GET", f"{watched}/b", headers=as_eve, timeoutSeconds=1)).code == 403
    other = await api.call("GET", f"{watched}/a", headers=as_eve, timeoutSeconds=1, fieldSelector="metadata.name=b")
    assert (other.code, other.message) == (400, "fieldSelector metadata.name doesn't match requested name")
