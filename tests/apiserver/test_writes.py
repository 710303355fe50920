"""create, update and patch: what is stored, what is refused, what comes back."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from podsysctl.apiserver import kubeconfig, lifecycle
from podsysctl.base.errors import PodsysctlError
from podsysctl.client import config
from tests.apiserver.api import CONFIG_MAPS, PODS, Api, config_map, pod, running

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


async def test_create_fills_in_what_only_the_server_gives(api: Api) -> None:
    """uid, creation time, resourceVersion and managedFields are the server's; the client's own are ignored."""
    sent = config_map(data={"a": "1"}, uid="mine", creationTimestamp="2001-01-01T00:00:00Z", generation=7)
    made = await api.make(CONFIG_MAPS, sent, fieldManager="me")
    metadata = made["metadata"]
    assert metadata["namespace"] == "default"
    assert metadata["uid"] != "mine"
    assert not metadata["creationTimestamp"].startswith("2001")
    assert int(metadata["resourceVersion"]) > 0
    assert [entry["manager"] for entry in metadata["managedFields"]] == ["me"]
    assert (await api.call("GET", f"{CONFIG_MAPS}/m")).body == made


async def test_create_of_a_pod_sets_phase_generation_and_defaults(api: Api) -> None:
    """A pod is Pending from the first moment; a status that was sent is dropped."""
    made = await api.make(PODS, {**pod(), "status": {"phase": "Running"}})
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert made["metadata"]["generation"] == 1
    assert made["spec"]["serviceAccountName"] == "default"
    assert made["spec"]["tolerations"][0]["tolerationSeconds"] == 300
    assert made["spec"]["priority"] == 0
    volume = made["spec"]["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    mount = made["spec"]["containers"][0]["volumeMounts"][0]
    assert mount == {
        "name": volume["name"],
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }


async def test_create_twice_conflicts(api: Api) -> None:
    """409 AlreadyExists, dry run or not."""
    await api.make(CONFIG_MAPS, config_map())
    for query in ({}, {"dryRun": "All"}):
        reply = await api.call("POST", CONFIG_MAPS, config_map(), **query)
        assert (reply.code, reply.body["reason"]) == (409, "AlreadyExists")
        assert reply.message == 'configmaps "m" already exists'


async def test_create_with_generate_name_appends_five_characters(api: Api) -> None:
    """Names from one base differ."""
    sent = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "web-"}}
    names = {(await api.make(CONFIG_MAPS, sent))["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(len(name) == 9 and name.startswith("web-") for name in names)


async def test_create_without_name_is_invalid(api: Api) -> None:
    """The text asks for name or generateName."""
    reply = await api.call("POST", CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
    assert reply.code == 422
    assert "metadata.name: Required value: name or generateName is required" in reply.message


async def test_create_in_another_namespace_than_the_path_is_refused(api: Api) -> None:
    """400 with upstream's text."""
    reply = await api.call("POST", CONFIG_MAPS, config_map(namespace="other"))
    assert reply.code == 400
    assert reply.message == "the namespace of the provided object does not match the namespace sent on the request"


async def test_create_in_missing_namespace_is_not_found(api: Api) -> None:
    """404 names the namespace."""
    reply = await api.call("POST", "/api/v1/namespaces/nope/configmaps", config_map())
    assert (reply.code, reply.message) == (404, 'namespaces "nope" not found')


async def test_create_with_resource_version_is_refused(api: Api) -> None:
    """A new object has no version yet."""
    reply = await api.call("POST", CONFIG_MAPS, config_map(resourceVersion="1"))
    assert (reply.code, reply.message) == (500, "resourceVersion should not be set on objects to be created")


async def test_dry_run_stores_nothing_and_shows_everything(api: Api) -> None:
    """Admission and validation run; the answer is complete; the store is as before."""
    revision = api.server.context.store.revision
    reply = await api.call("POST", PODS, pod(), dryRun="All")
    assert reply.code == 201
    assert reply.body["spec"]["serviceAccountName"] == "default"
    assert (await api.call("GET", f"{PODS}/p")).code == 404
    await api.make(CONFIG_MAPS, config_map(data={"a": "1"}))
    changed = await api.call("PATCH", f"{CONFIG_MAPS}/m", {"data": {"a": "2"}}, media=MERGE, dryRun="All")
    assert changed.body["data"] == {"a": "2"}
    gone = await api.call("DELETE", f"{CONFIG_MAPS}/m", {"dryRun": ["All"]})
    assert gone.code == 200
    assert (await api.call("GET", f"{CONFIG_MAPS}/m")).body["data"] == {"a": "1"}
    assert api.server.context.store.revision == revision + 1


@pytest.mark.parametrize(
    ("validation", "code", "warnings"),
    [
        ("Strict", 400, []),
        ("Warn", 201, ['unknown field \\"spec.containers[0].bar\\"', 'unknown field \\"spec.foo\\"']),
        ("", 201, ['unknown field \\"spec.containers[0].bar\\"', 'unknown field \\"spec.foo\\"']),
        ("Ignore", 201, []),
    ],
)
async def test_unknown_fields_follow_field_validation(
    api: Api, validation: str, code: int, warnings: list[str]
) -> None:
    """Strict refuses, Warn and nothing warn, Ignore is silent; the fields are dropped."""
    sent = pod(foo=1)
    sent["spec"]["containers"][0]["bar"] = 2
    reply = await api.call("POST", PODS, sent, fieldValidation=validation)
    assert reply.code == code
    assert reply.warnings == warnings
    if code == 400:
        text = 'strict decoding error: unknown field "spec.containers[0].bar", unknown field "spec.foo"'
        assert reply.message == f'Pod in version "v1" cannot be handled as a Pod: {text}'
    else:
        assert "foo" not in reply.body["spec"]


async def test_invalid_object_is_refused_with_every_cause(api: Api) -> None:
    """422 with one cause per rule that is broken."""
    sysctls = [{"name": name, "value": "1"} for name in ("a..b", "kernel.sem", "kernel.sem")]
    reply = await api.call("POST", PODS, pod(securityContext={"sysctls": sysctls}))
    assert (reply.code, reply.body["reason"]) == (422, "Invalid")
    fields = [cause["field"] for cause in reply.body["details"]["causes"]]
    assert fields == ["spec.securityContext.sysctls[0].name", "spec.securityContext.sysctls[2].name"]


async def test_update_needs_the_newest_version(api: Api) -> None:
    """An old resourceVersion conflicts, none means whatever is there."""
    made = await api.make(CONFIG_MAPS, config_map())
    made["data"] = {"a": "1"}
    first = await api.call("PUT", f"{CONFIG_MAPS}/m", made)
    assert first.code == 200
    second = await api.call("PUT", f"{CONFIG_MAPS}/m", made)
    assert (second.code, second.body["reason"]) == (409, "Conflict")
    assert second.message == (
        'Operation cannot be fulfilled on configmaps "m": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (await api.call("PUT", f"{CONFIG_MAPS}/m", config_map(data={"b": "2"}))).body["data"] == {"b": "2"}


async def test_update_that_changes_nothing_keeps_its_version(api: Api) -> None:
    """No revision is spent on it."""
    made = await api.make(CONFIG_MAPS, config_map(data={"a": "1"}))
    same = await api.call("PUT", f"{CONFIG_MAPS}/m", made)
    assert same.body["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    patched = await api.call("PATCH", f"{CONFIG_MAPS}/m", {}, media=MERGE)
    assert patched.body["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_update_cannot_change_identity(api: Api) -> None:
    """Name and namespace must fit the path, the uid the stored object."""
    made = await api.make(CONFIG_MAPS, config_map())
    other = await api.call("PUT", f"{CONFIG_MAPS}/m", {**made, "metadata": {**made["metadata"], "name": "n"}})
    assert other.code == 400
    assert other.message == "the name of the object (n) does not match the name on the URL (m)"
    foreign = await api.call("PUT", f"{CONFIG_MAPS}/m", {**made, "metadata": {**made["metadata"], "uid": "x"}})
    assert foreign.code == 409
    assert "Precondition failed: UID in precondition: x, UID in object meta: " in foreign.message


async def test_update_of_missing_object_is_not_found_or_creates_it(api: Api) -> None:
    """Only a few kinds are made by PUT, leases among them."""
    assert (await api.call("PUT", f"{CONFIG_MAPS}/m", config_map())).code == 404
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
    assert (await api.call("PUT", path, lease)).code == 201


async def test_status_and_main_path_leave_each_other_alone(api: Api) -> None:
    """A PUT of the pod keeps its status; a PUT of its status keeps its spec, and only a spec counts generations."""
    made = await api.make(PODS, pod())
    made["status"]["phase"] = "Running"
    assert (await api.call("PUT", f"{PODS}/p", made)).body["status"]["phase"] == "Pending"
    stored = (await api.call("GET", f"{PODS}/p")).body
    stored["status"]["phase"] = "Running"
    stored["spec"]["containers"][0]["image"] = "other"
    after = (await api.call("PUT", f"{PODS}/p/status", stored)).body
    assert after["status"]["phase"] == "Running"
    assert after["spec"]["containers"][0]["image"] == "centos"
    assert after["metadata"]["generation"] == 1
    patched = await api.call("PATCH", f"{PODS}/p", {"spec": {"activeDeadlineSeconds": 9}}, media=MERGE)
    assert patched.body["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        (MERGE, {"metadata": {"labels": {"b": "2"}}}),
        (STRATEGIC, {"metadata": {"labels": {"b": "2"}}}),
        (JSON_PATCH, [{"op": "add", "path": "/metadata/labels/b", "value": "2"}]),
        (APPLY, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"b": "2"}}}),
    ],
)
async def test_patch_of_every_type_adds_a_label(api: Api, media: str, patch: Any) -> None:
    """The four patch types on one object."""
    await api.make(PODS, pod(labels={"a": "1"}))
    reply = await api.call("PATCH", f"{PODS}/p", patch, media=media, fieldManager="m")
    assert reply.code == 200, reply.body
    assert reply.body["metadata"]["labels"] == {"a": "1", "b": "2"}


async def test_patch_strategic_merges_containers_by_name(api: Api) -> None:
    """A list with a merge key is merged, not replaced."""
    await api.make(PODS, pod())
    patch = {"spec": {"containers": [{"name": "c", "image": "other"}]}}
    reply = await api.call("PATCH", f"{PODS}/p", patch, media=STRATEGIC)
    assert reply.body["spec"]["containers"][0]["image"] == "other"
    assert "volumeMounts" in reply.body["spec"]["containers"][0]


async def test_patch_with_unknown_field_follows_field_validation(api: Api) -> None:
    """Strict is 422 about the field `patch`."""
    await api.make(PODS, pod())
    patch = {"spec": {"foo": 1}}
    strict = await api.call("PATCH", f"{PODS}/p", patch, media=MERGE, fieldValidation="Strict")
    assert strict.code == 422
    assert strict.message.endswith('strict decoding error: unknown field "spec.foo"')
    assert strict.body["details"]["causes"][0]["field"] == "patch"
    warned = await api.call("PATCH", f"{PODS}/p", patch, media=MERGE)
    assert warned.warnings == ['unknown field \\"spec.foo\\"']


@pytest.mark.parametrize(
    ("media", "patch", "code"),
    [
        (MERGE, [1], 400),
        (STRATEGIC, {"spec": {"containers": [{"image": "x"}]}}, 500),
        (JSON_PATCH, {"op": "add"}, 400),
        (JSON_PATCH, [{"op": "remove", "path": "/spec/nothing"}], 422),
        (MERGE, {"spec": {"containers": "x"}}, 422),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409),
        ("text/plain", {}, 415),
    ],
)
async def test_patch_that_does_not_fit_is_refused(api: Api, media: str, patch: Any, code: int) -> None:
    """Each way to be wrong has upstream's code."""
    await api.make(PODS, pod())
    reply = await api.call("PATCH", f"{PODS}/p", patch, media=media)
    assert reply.code == code, reply.body


async def test_patch_of_missing_object_is_not_found_but_apply_makes_it(api: Api) -> None:
    """Server-side apply is the one patch that creates."""
    assert (await api.call("PATCH", f"{CONFIG_MAPS}/m", {}, media=MERGE)).code == 404
    reply = await api.call("PATCH", f"{CONFIG_MAPS}/m", config_map(data={"a": "1"}), media=APPLY, fieldManager="one")
    assert reply.code == 201
    assert [entry["operation"] for entry in reply.body["metadata"]["managedFields"]] == ["Apply"]


async def test_apply_needs_a_manager_and_respects_owners(api: Api) -> None:
    """No manager is 422; another's field conflicts until forced."""
    await api.call("PATCH", f"{CONFIG_MAPS}/m", config_map(data={"a": "1"}), media=APPLY, fieldManager="one")
    nobody = await api.call("PATCH", f"{CONFIG_MAPS}/m", config_map(), media=APPLY)
    assert (nobody.code, "fieldManager: Required value" in nobody.message) == (422, True)
    change = config_map(data={"a": "2"})
    refused = await api.call("PATCH", f"{CONFIG_MAPS}/m", change, media=APPLY, fieldManager="two")
    assert refused.code == 409
    assert refused.message == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert refused.body["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    forced = await api.call("PATCH", f"{CONFIG_MAPS}/m", change, media=APPLY, fieldManager="two", force="true")
    assert forced.body["data"] == {"a": "2"}


async def test_patches_at_once_all_take_effect(api: Api) -> None:
    """Writers that insist on no version never lose each other's changes."""
    await api.make(CONFIG_MAPS, config_map())
    replies = await asyncio.gather(
        *(api.call("PATCH", f"{CONFIG_MAPS}/m", {"data": {f"k{n}": "v"}}, media=MERGE) for n in range(40))
    )
    assert {reply.code for reply in replies} == {200}
    assert len((await api.call("GET", f"{CONFIG_MAPS}/m")).body["data"]) == 40


async def test_events_are_one_set_in_two_shapes(api: Api) -> None:
    """What is written as core/v1 is read as events.k8s.io/v1, and the other way round."""
    core = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e1", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Started",
        "message": "hello",
        "type": "Normal",
        "source": {"component": "kubelet"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    await api.make("/api/v1/namespaces/default/events", core)
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    seen = (await api.call("GET", f"{path}/e1")).body
    assert (seen["apiVersion"], seen["note"], seen["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "p")
    new = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e2"},
        "regarding": {"kind": "Pod", "name": "q", "namespace": "default"},
        "reason": "Scheduled",
        "action": "Binding",
        "note": "text",
        "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "default-scheduler",
        "reportingInstance": "host",
    }
    await api.make(path, new)
    back = (await api.call("GET", "/api/v1/namespaces/default/events/e2")).body
    assert (back["message"], back["involvedObject"]["name"], back["reportingComponent"]) == (
        "text",
        "q",
        "default-scheduler",
    )
    query = {"fieldSelector": "involvedObject.name=q,reason=Scheduled"}
    chosen = (await api.call("GET", "/api/v1/events", **query)).body["items"]
    assert [event["metadata"]["name"] for event in chosen] == ["e2"]


async def test_restart_serves_what_was_stored(api: Api, tmp_path: Any) -> None:
    """Objects, definitions, certificates, and what people changed in their kubeconfig outlive the server."""
    await api.make(CONFIG_MAPS, config_map(data={"a": "1"}))
    authority = api.server.authority.ca_pem
    path = kubeconfig.write_admin(api.server)
    path.write_text(path.read_text().replace("namespace: default", "namespace: team"))
    await api.server.stop()
    async with running(tmp_path / "data") as again:
        assert config.load(kubeconfig.write_admin(again.server)).namespace == "team"
        assert config.load(path).server == again.server.url
        assert (await again.call("GET", f"{CONFIG_MAPS}/m")).body["data"] == {"a": "1"}
        assert again.server.authority.ca_pem == authority


async def test_kubeconfig_that_cannot_be_read_is_not_written_over(api: Api, tmp_path: Any) -> None:
    """It may hold what somebody added; the error says what to do."""
    path = tmp_path / "data" / "kubeconfig"
    path.write_text("{")
    with pytest.raises(PodsysctlError, match=f"^kubeconfig {path} is not YAML: .*$") as caught:
        kubeconfig.write_admin(api.server)
    assert caught.value.hint == f"mend {path}, or remove it to have it written anew"
    assert path.read_text() == "{"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b'{"a":1', "unexpected end of JSON input"),
        (b"{} x", "invalid character 'x' after top-level value"),
    ],
)
async def test_patch_that_is_no_json_is_refused_in_gos_words(api: Api, body: bytes, text: str) -> None:
    """A strategic merge patch without the words before it; POST of the same says the same."""
    await api.make(CONFIG_MAPS, config_map())
    said = {
        media: (await api.call("PATCH", f"{CONFIG_MAPS}/m", raw=body, media=media)).message
        for media in (STRATEGIC, MERGE, JSON_PATCH)
    }
    assert said == {
        STRATEGIC: text,
        MERGE: f"error decoding patch: {text}",
        JSON_PATCH: f"error decoding patch: {text}",
    }
    assert text in (await api.call("POST", CONFIG_MAPS, raw=body)).message


@pytest.mark.parametrize("depth", [150, 300, 900, 5000])
@pytest.mark.parametrize("media", [MERGE, STRATEGIC, APPLY, JSON_PATCH])
async def test_patch_nested_too_deep_is_refused(api: Api, media: str, depth: int) -> None:
    """400 at any depth, in any patch type, and the object stays."""
    made = await api.make(CONFIG_MAPS, config_map())
    inner = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"data":' + inner + b"}"
    if media == JSON_PATCH:
        body = b'[{"op":"add","path":"/data","value":' + inner + b"}]"
    reply = await api.call("PATCH", f"{CONFIG_MAPS}/m", raw=body, media=media, fieldManager="m")
    assert reply.code == 400
    assert (await api.call("GET", f"{CONFIG_MAPS}/m")).body == made


async def test_json_patch_cannot_build_what_is_too_deep(api: Api) -> None:
    """Copying an object into itself again and again ends in 422."""
    await api.make(CONFIG_MAPS, config_map(data={"a": "1"}))
    path, operations = "/x", [{"op": "add", "path": "/x", "value": {}}]
    for _ in range(200):
        path += "/x"
        operations.append({"op": "add", "path": path, "value": {}})
    reply = await api.call("PATCH", f"{CONFIG_MAPS}/m", operations, media=JSON_PATCH)
    assert reply.code == 422


@pytest.mark.parametrize("depth", [150, 300, 5000])
async def test_delete_options_nested_too_deep_are_refused(api: Api, depth: int) -> None:
    """400, and the object stays."""
    await api.make(CONFIG_MAPS, config_map())
    body = b'{"preconditions":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    assert (await api.call("DELETE", f"{CONFIG_MAPS}/m", raw=body)).code == 400
    assert (await api.call("GET", f"{CONFIG_MAPS}/m")).code == 200


async def test_equal_owner_references_are_kept_once_with_a_warning(api: Api) -> None:
    """Equal in every field; a patch says so in other words."""
    owner = {"apiVersion": "v1", "kind": "X", "name": "n", "uid": "u"}
    other = {**owner, "name": "m"}
    sent = config_map(ownerReferences=[owner, other, owner, other, owner])
    text = (
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may"
        " reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: u, u, u"
    )
    reply = await api.call("POST", CONFIG_MAPS, sent)
    assert (reply.body["metadata"]["ownerReferences"], reply.warnings) == ([owner, other], [text])
    reply = await api.call("PUT", f"{CONFIG_MAPS}/m", sent)
    assert (reply.body["metadata"]["ownerReferences"], reply.warnings) == ([owner, other], [text])
    patch = {"metadata": {"ownerReferences": [owner, owner]}}
    reply = await api.call("PATCH", f"{CONFIG_MAPS}/m", patch, media=MERGE)
    assert reply.body["metadata"]["ownerReferences"] == [owner]
    [warning] = reply.warnings
    assert warning.startswith(".metadata.ownerReferences contains duplicate entries after mutating admission happens; ")
    assert warning.endswith(" observed: u")


async def test_as_many_owners_as_a_body_holds_keep_nobody_waiting(api: Api) -> None:
    """Looking for equal ones, and taking many out, goes through the list once: minutes of the one loop before."""
    owners = [{"apiVersion": "v1", "kind": "P", "name": f"x{n}", "uid": f"u{n}"} for n in range(45_000)]
    await api.make(CONFIG_MAPS, config_map(ownerReferences=owners))
    gone = [{"uid": owner["uid"], "$patch": "delete"} for owner in owners[1:]]
    patch = {"metadata": {"ownerReferences": gone}}
    reply = await api.call("PATCH", f"{CONFIG_MAPS}/m", patch, media="application/strategic-merge-patch+json")
    assert reply.code == 200
    assert reply.body["metadata"]["ownerReferences"] == owners[:1]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"activeDeadlineSeconds": "x"}, "unrecognized type: int64"),
        ({"hostNetwork": 1}, "unrecognized type: bool"),
        ({"nodeName": 5}, "cannot convert int64 to string"),
        ({"nodeName": 1.5}, "unrecognized type: string"),
        ({"restartPolicy": 5}, "cannot convert int64 to v1.RestartPolicy"),
        ({"volumes": {"a": 1}}, "cannot restore slice from map"),
        ({"securityContext": [1]}, "cannot restore struct from: slice"),
        ({"nodeSelector": "x"}, "cannot restore map from string"),
        ({"nodeSelector": {"a": 1}}, "cannot convert int64 to string"),
        (
            {"containers": [{"name": "c", "livenessProbe": {"httpGet": {"port": True}}}]},
            "json: cannot unmarshal bool into Go value of type int32",
        ),
    ],
)
async def test_strategic_patch_tells_what_cannot_be_converted(api: Api, spec: dict[str, Any], text: str) -> None:
    """Seen with a 1.36.2 server."""
    await api.make(PODS, pod())
    reply = await api.call("PATCH", f"{PODS}/p", {"spec": spec}, media=STRATEGIC)
    assert (reply.code, reply.message.rpartition(']": ')[2]) == (422, text)


async def test_integers_too_large_for_their_type_lose_their_upper_bits_where_maps_are_converted(api: Api) -> None:
    """Server-side apply and strategic merge cut, as Go's conversion does; decoded JSON is refused."""
    large = {"spec": {"terminationGracePeriodSeconds": 30, "priority": 2**32}}
    applied = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "q"}, "spec": {**pod()["spec"], **large["spec"]}}
    reply = await api.call("PATCH", f"{PODS}/q", applied, media=APPLY, fieldManager="m")
    assert (reply.code, reply.body["spec"]["priority"]) == (201, 0)
    reply = await api.call("PATCH", f"{PODS}/q", large, media=STRATEGIC)
    assert (reply.code, reply.body["spec"]["priority"]) == (200, 0)
    reply = await api.call("PATCH", f"{PODS}/q", large, media=MERGE)
    assert reply.message.endswith(
        "json: cannot unmarshal number 4294967296 into Go struct field PodSpec.spec.priority of type int32"
    )


async def test_values_that_their_type_cannot_hold_are_told_as_each_verb_does(api: Api) -> None:
    """Server-side apply and strategic merge convert maps; the other verbs decode JSON."""
    await api.make(PODS, pod())
    bad = {"spec": {"activeDeadlineSeconds": 1.5}}
    applied = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "q"}, "spec": {**pod()["spec"], **bad["spec"]}}
    reply = await api.call("PATCH", f"{PODS}/q", applied, media=APPLY, fieldManager="m")
    assert (reply.code, reply.message) == (
        500,
        "failed to convert new object (/q; /v1, Kind=Pod) to proper version: unable to convert unstructured object to"
        " /v1, Kind=Pod: cannot convert float64 to int64",
    )
    reply = await api.call("PATCH", f"{PODS}/p", bad, media=STRATEGIC)
    assert reply.code == 422
    assert reply.message.endswith(": cannot convert float64 to int64")
    reply = await api.call("PATCH", f"{PODS}/p", bad, media=MERGE)
    assert reply.message.endswith(
        '}": json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64'
    )


def test_uid_of_many_new_objects_is_a_random_uuid_of_its_own() -> None:
    """However many objects are made, no two share a uid, and each is a version 4 UUID."""
    found = []
    for _ in range(1000):
        obj: dict[str, Any] = {"metadata": {}}
        lifecycle.stamp_new(obj, "2026-01-01T00:00:00Z")
        found.append(obj["metadata"]["uid"])
    assert len(set(found)) == 1000
    assert {uuid.UUID(uid).version for uid in found} == {4}
