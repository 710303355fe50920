"""Server-side apply and managedFields."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podsysctl.base.errors import StatusError
from podsysctl.objects import schema as schemas
from podsysctl.objects.patch import apply, fieldset, managed, tree
from podsysctl.objects.schema import Schema

POD = schemas.builtin("core/v1.Pod")
CONFIG_MAP = schemas.builtin("core/v1.ConfigMap")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = "2026-01-02T03:04:05Z"
Object = dict[str, Any]


def config_map(data: dict[str, str] | None = None, **metadata: Any) -> Object:
    """A ConfigMap with what the case adds."""
    out: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "demo", **metadata}}
    if data is not None:
        out["data"] = data
    return out


def pod(*containers: Object, **spec: Any) -> Object:
    """A Pod with these containers and what the case adds."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p1", "namespace": "demo"},
        "spec": {"containers": list(containers), **spec},
    }


def run(
    live: Object | None, config: Object, manager: str = "kubectl", *, force: bool = False, schema: Schema = CONFIG_MAP
) -> Object:
    """An apply at NOW."""
    return apply.server_side_apply(
        live, config, manager=manager, force=force, schema=schema, api_version="v1", kind=config["kind"], now=NOW
    )


def created(obj: Object, manager: str = "kubectl-create", schema: Schema = CONFIG_MAP) -> Object:
    """The object as the server stores it after a create."""
    entries = managed.record_update(None, obj, manager=manager, schema=schema, api_version="v1", now=NOW)
    metadata = {**obj["metadata"], "uid": "u1", "managedFields": entries}
    return {**obj, "metadata": metadata}


def updated(old: Object, new: Object, manager: str, schema: Schema = CONFIG_MAP, subresource: str = "") -> Object:
    """The object as the server stores it after an update."""
    entries = managed.record_update(
        old, new, manager=manager, schema=schema, api_version="v1", now=NOW, subresource=subresource
    )
    return {**new, "metadata": {**new["metadata"], "managedFields": entries}}


def owners(obj: Object) -> dict[str, Any]:
    """Fields by manager."""
    return {e["manager"]: e["fieldsV1"] for e in obj["metadata"].get("managedFields", ())}


def bare(obj: Object) -> Object:
    """The object without managedFields."""
    return managed.without_managed_fields(obj)


def test_record_update_create_of_pod_owns_fields_as_upstream_writes_them() -> None:
    """Structs and required lists get no "." of their own, maps and optional lists do."""
    obj = pod(
        {"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}], "resources": {}},
        dnsPolicy="ClusterFirst",
        securityContext={},
    )
    obj["metadata"]["labels"] = {"app": "x"}
    stored = created(obj, "kubectl-run", POD)
    assert stored["metadata"]["managedFields"] == [
        {
            "manager": "kubectl-run",
            "operation": "Update",
            "apiVersion": "v1",
            "time": STAMP,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"c"}': {
                            ".": {},
                            "f:image": {},
                            "f:name": {},
                            "f:ports": {
                                ".": {},
                                'k:{"containerPort":80,"protocol":"TCP"}': {
                                    ".": {},
                                    "f:containerPort": {},
                                    "f:protocol": {},
                                },
                            },
                            "f:resources": {},
                        }
                    },
                    "f:dnsPolicy": {},
                    "f:securityContext": {},
                },
            },
        }
    ]


def test_record_update_follows_how_each_field_holds_its_struct() -> None:
    """A container has resources by value, a pod by pointer; what an event writes even when it is unset is no change."""
    amounts = {"limits": {"cpu": "1"}}
    stored = created(pod({"name": "c", "resources": amounts}, resources=amounts), "m", POD)
    spec = owners(stored)["m"]["f:spec"]
    owned = {"f:limits": {".": {}, "f:cpu": {}}}
    assert spec["f:resources"] == {".": {}, **owned}
    assert spec["f:containers"]['k:{"name":"c"}']["f:resources"] == {".": {}, **owned}

    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"name": "p"},
        "reason": "r",
        "eventTime": None,
        "firstTimestamp": None,
        "reportingComponent": "",
    }
    assert owners(created(event, "m", schemas.builtin("core/v1.Event"))) == {
        "m": {"f:involvedObject": {}, "f:reason": {}}
    }


def test_record_update_other_manager_takes_only_what_changed() -> None:
    """An update takes changed fields from their owner and leaves the rest."""
    old = created(config_map({"a": "1", "b": "1"}))
    new = updated(old, {**old, "data": {"a": "1", "b": "2", "c": "3"}}, "editor")
    assert owners(new) == {
        "kubectl-create": {"f:data": {".": {}, "f:a": {}}},
        "editor": {"f:data": {"f:b": {}, "f:c": {}}},
    }
    gone = updated(new, {**new, "data": {"c": "3"}}, "kubectl-create")
    assert owners(gone) == {"kubectl-create": {"f:data": {}}, "editor": {"f:data": {"f:c": {}}}}


def test_record_update_status_is_a_separate_entry_that_spec_writes_cannot_touch() -> None:
    """The status endpoint owns status under its subresource, the main one never owns it."""
    old = created(pod({"name": "c"}), "kubectl", POD)
    through_main = updated(old, {**old, "status": {"phase": "Running"}}, "kubectl", POD)
    assert owners(through_main) == owners(old)
    new = updated(old, {**old, "status": {"phase": "Running"}}, "kubelet", POD, "status")
    entry = new["metadata"]["managedFields"][-1]
    assert (entry["manager"], entry["subresource"]) == ("kubelet", "status")
    assert entry["fieldsV1"] == {"f:status": {"f:phase": {}}}


def test_record_update_entries_reset_stops_tracking() -> None:
    """An empty list or one empty entry clears managedFields until the next apply."""
    old = created(config_map({"a": "1"}))
    for reset in ([], [{}]):
        new = {**old, "metadata": {**old["metadata"], "managedFields": reset}}
        assert managed.record_update(old, new, manager="x", schema=CONFIG_MAP, api_version="v1", now=NOW) == []


def test_record_update_more_than_ten_updaters_merges_the_oldest() -> None:
    """Update entries are capped; the oldest become ancient-changes."""
    obj = created(config_map({"k": "v"}))
    for number in range(14):
        obj = updated(obj, {**obj, "data": {**obj["data"], f"k{number:02}": "v"}}, f"m{number:02}")
    entries = obj["metadata"]["managedFields"]
    assert len(entries) == managed.MAX_UPDATE_MANAGERS
    assert "ancient-changes" in owners(obj)
    everything: fieldset.Node = {}
    for fields in owners(obj).values():
        everything = fieldset.union(everything, fields)
    assert len([key for key in everything["f:data"] if key != "."]) == 15


def test_apply_creates_and_owns_the_configuration() -> None:
    """An apply to nothing creates, owned by an Apply entry."""
    stored = run(None, config_map({"a": "1"}, labels={"x": "y"}))
    assert bare(stored) == config_map({"a": "1"}, labels={"x": "y"})
    assert stored["metadata"]["managedFields"] == [
        {
            "manager": "kubectl",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": STAMP,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:x": {}}}},
        }
    ]


def test_apply_removes_what_is_no_longer_applied_and_keeps_what_others_own() -> None:
    """Fields vanish with their last applier; another owner keeps them."""
    stored = run(None, config_map({"a": "1", "b": "1"}))
    stored = run(stored, config_map({"b": "1"}), "other")
    stored = run(stored, config_map({"c": "1"}))
    assert stored["data"] == {"b": "1", "c": "1"}
    assert owners(stored) == {"kubectl": {"f:data": {"f:c": {}}}, "other": {"f:data": {"f:b": {}}}}
    assert "data" not in run(run(None, config_map({"a": "1"})), config_map())


def test_apply_conflict_single_has_upstreams_text() -> None:
    """One conflict names the manager, its version and the path."""
    stored = created(config_map({"a": "1"}), "kubectl-client-side-apply")
    with pytest.raises(StatusError) as caught:
        run(stored, config_map({"a": "2"}), "m")
    assert caught.value.to_dict() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.a',
        "reason": "Conflict",
        "details": {
            "causes": [
                {
                    "reason": "FieldManagerConflict",
                    "message": 'conflict with "kubectl-client-side-apply" using v1',
                    "field": ".data.a",
                }
            ]
        },
        "code": 409,
    }


def test_apply_conflicts_several_are_listed_by_manager() -> None:
    """Several conflicts are grouped by manager, one line for each path; force takes the fields."""
    stored = run(None, config_map({"a": "1", "b": "1"}), "zed")
    stored = updated(stored, {**stored, "data": {**stored["data"], "c": "1"}}, "editor")
    wanted = config_map({"a": "2", "b": "2", "c": "2"})
    with pytest.raises(StatusError) as caught:
        run(stored, wanted, "m")
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "editor" using v1:\n- .data.c\n'
        'conflicts with "zed":\n- .data.a\n- .data.b'
    )
    forced = run(stored, wanted, "m", force=True)
    assert forced["data"] == {"a": "2", "b": "2", "c": "2"}
    assert owners(forced) == {"m": {"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}}}


def test_apply_same_value_shares_ownership() -> None:
    """Two appliers of one value are both owners, without conflict."""
    stored = run(run(None, config_map({"a": "1"}), "one"), config_map({"a": "1"}), "two")
    assert set(owners(stored)) == {"one", "two"}


def test_apply_untracked_object_gets_the_time_before() -> None:
    """An object without managedFields is owned by before-first-apply at its first apply."""
    stored = run(config_map({"a": "1", "b": "1"}, uid="u"), config_map({"a": "1"}), "m")
    assert owners(stored) == {
        "before-first-apply": {"f:data": {".": {}, "f:a": {}, "f:b": {}}},
        "m": {"f:data": {"f:a": {}}},
    }


def test_apply_keyed_list_merges_elements() -> None:
    """Elements are told apart by their keys and keep the fields of others."""
    stored = run(None, pod({"name": "a", "image": "x"}), "one", schema=POD)
    stored = run(stored, pod({"name": "b", "image": "y"}), "two", schema=POD)
    assert [c["name"] for c in stored["spec"]["containers"]] == ["a", "b"]
    stored = run(stored, pod({"name": "a", "image": "x", "tty": True}), "one", schema=POD)
    stored = run(stored, pod({"name": "a", "workingDir": "/"}, {"name": "b", "image": "y"}), "two", schema=POD)
    assert stored["spec"]["containers"] == [
        {"name": "a", "image": "x", "tty": True, "workingDir": "/"},
        {"name": "b", "image": "y"},
    ]
    with pytest.raises(StatusError) as caught:
        run(stored, pod({"name": "a", "image": "z"}), "three", schema=POD)
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "one": .spec.containers[name="a"].image'
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (pod(foo=1), ".spec.foo: field not declared in schema"),
        (pod(nodeName=1), ".spec.nodeName: expected string, got &value.valueUnstructured{Value:1}"),
        (pod(hostNetwork="x"), ".spec.hostNetwork: expected boolean, got &{x}"),
        (pod(priority="x"), ".spec.priority: expected numeric (int or float), got string"),
        (pod(securityContext=["x"]), ".spec.securityContext: expected map, got &{[x]}"),
        (pod(tolerations={"a": 1}), ".spec.tolerations: expected list, got &{map[a:1]}"),
        (pod({"name": "a"}, {"name": "a"}), '.spec.containers: duplicate entries for key [name="a"]'),
        (
            pod({"image": "x"}, {"image": "y", "foo": 1}),
            'errors:\n  .spec.containers: duplicate entries for key [name=""]\n'
            '  .spec.containers[name=""].foo: field not declared in schema',
        ),
        (
            pod({"name": {"a": None}}),
            ".spec.containers[name=a=null].name: expected string, got &value.valueUnstructured{Value:map[string]"
            'interface {}{"a":interface {}(nil)}}',
        ),
        (
            pod({"name": "a", "foo": 1}, {"name": "b", "bar": 1}),
            'errors:\n  .spec.containers[name="a"].foo: field not declared in schema\n'
            '  .spec.containers[name="b"].bar: field not declared in schema',
        ),
    ],
)
def test_apply_configuration_outside_its_type_is_refused_as_upstream(config: Object, message: str) -> None:
    """A configuration that does not conform is a 500 without reason and names every place."""
    with pytest.raises(StatusError) as caught:
        run(None, config, schema=POD)
    assert (caught.value.code, caught.value.status_reason) == (500, "")
    assert caught.value.message == f"failed to create typed patch object (demo/p1; /v1, Kind=Pod): {message}"


def test_apply_other_kind_or_managed_fields_is_400() -> None:
    """The configuration must be of the endpoint's kind and carry no managedFields."""
    with pytest.raises(StatusError, match="invalid object type: apps/v1, Kind=Pod"):
        apply.server_side_apply(
            None,
            {"apiVersion": "apps/v1", "kind": "Pod"},
            manager="m",
            force=False,
            schema=POD,
            api_version="v1",
            kind="Pod",
            now=NOW,
        )
    with pytest.raises(StatusError, match=r"metadata\.managedFields must be nil"):
        run(None, config_map(managedFields=[]))


def test_apply_by_kubectl_upgrades_client_side_apply() -> None:
    """kubectl's server-side apply takes over what its client-side apply set, and updates the annotation."""
    last = '{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"name":"c","namespace":"demo"}}\n'
    annotations = {apply.LAST_APPLIED: last}
    stored = created(config_map({"a": "1"}, annotations=annotations), "kubectl-client-side-apply")
    stored = run(stored, config_map({"a": "2"}))
    assert stored["data"] == {"a": "2"}
    assert stored["metadata"]["annotations"][apply.LAST_APPLIED] == last.replace('"1"', '"2"')
    with pytest.raises(StatusError):
        run(created(config_map({"a": "1"}, annotations=annotations), "x"), config_map({"a": "2"}), "other")


def test_apply_unchanged_keeps_the_object_and_its_time() -> None:
    """A second identical apply changes nothing at all."""
    stored = run(None, config_map({"a": "1"}))
    again = apply.server_side_apply(
        stored,
        config_map({"a": "1"}),
        manager="kubectl",
        force=False,
        schema=CONFIG_MAP,
        api_version="v1",
        now=datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert again == stored


def test_apply_null_creation_timestamp_is_ignored() -> None:
    """Printed manifests carry a null creationTimestamp; the live one stays."""
    live = config_map({"a": "1"}, creationTimestamp=STAMP, uid="u")
    stored = run(live, config_map({"b": "1"}, creationTimestamp=None))
    assert stored["metadata"]["creationTimestamp"] == STAMP


def test_keep_timestamps_of_write_without_change_returns_the_old_entries() -> None:
    """A write that changes only times keeps the stored times."""
    old = created(config_map({"a": "1"}))
    entries = [{**entry, "time": "2030-01-01T00:00:00Z"} for entry in old["metadata"]["managedFields"]]
    new = {**old, "metadata": {**old["metadata"], "managedFields": entries}}
    assert managed.keep_timestamps(old, new) == old
    changed = {**new, "data": {"a": "2"}}
    assert managed.keep_timestamps(old, changed) is changed


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"operation": "x"}], "operation must be `Apply` or `Update`"),
        ([{"operation": "Apply"}], "apiVersion must not be empty"),
        ([{"operation": "Apply", "apiVersion": "v1"}], "missing fieldsType in managed fields entry 0"),
        (
            [{"operation": "Apply", "apiVersion": "v1", "fieldsType": "x"}],
            'invalid fieldsType "x" in managed fields entry 0',
        ),
    ],
)
def test_decode_malformed_entry_gives_upstreams_message(entries: Any, message: str) -> None:
    """Entries are checked in upstream's order and words."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        managed.decode(entries)
    assert str(caught.value) == message


data = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("abc")}, optional={"image": st.sampled_from("xy"), "tty": st.booleans()}
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda c: c["name"],
)
pods = st.builds(lambda c, d: pod(*c, **d), containers, st.fixed_dictionaries({}, optional={"nodeName": st.just("n")}))


@settings(max_examples=60)
@given(pods, pods, pods)
def test_apply_any_sequence_is_idempotent_and_keeps_its_input(one: Object, two: Object, three: Object) -> None:
    """Applying a configuration twice is applying it once, whoever else applied what."""
    stored = run(None, one, "one", schema=POD)
    stored = run(stored, two, "two", force=True, schema=POD)
    before = tree.clone(stored)
    once = run(stored, three, "one", force=True, schema=POD)
    assert stored == before
    assert run(once, three, "one", force=True, schema=POD) == once


@settings(max_examples=60)
@given(pods, pods)
def test_apply_then_apply_nothing_returns_to_the_former_owner_set(one: Object, two: Object) -> None:
    """What only a manager brought leaves with it; values it took by force stay with nobody else's loss."""
    stored = run(None, one, "one", schema=POD)
    with_two = run(stored, two, "two", force=True, schema=POD)
    nothing = {key: value for key, value in two.items() if key != "spec"}
    back = run(with_two, nothing, "two", force=True, schema=POD)
    names = {c["name"] for c in one["spec"]["containers"]}
    assert {c["name"] for c in back["spec"]["containers"]} == names
    assert "two" not in owners(back)


@settings(max_examples=60)
@given(data, data)
def test_apply_disjoint_manager_leaving_restores_the_object(one: dict[str, str], two: dict[str, str]) -> None:
    """Without overlap, a manager that applies and withdraws leaves the object as it was."""
    mine = {key: value for key, value in two.items() if key not in one}
    stored = run(None, config_map(one or None), "one")
    after = run(run(stored, config_map(mine or None), "two"), config_map(), "two")
    assert (after.get("data") or {}) == one
    assert owners(after) == owners(stored)


nodes = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(st.sampled_from([".", "f:a", "f:b", 'k:{"n":1}']), inner, max_size=3),
    max_leaves=8,
).map(lambda node: {k: v for k, v in node.items() if k != "."})


def as_paths(node: fieldset.Node) -> set[fieldset.Path]:
    """The set as Python's own set."""
    return set(fieldset.paths(fieldset.decode(node)))


@given(nodes, nodes)
def test_fieldset_operations_agree_with_plain_sets(left: Any, right: Any) -> None:
    """Union, intersection and difference are those of the sets of paths."""
    left, right = tidy(left), tidy(right)
    mine, theirs = as_paths(left), as_paths(right)
    assert as_paths(fieldset.union(left, right)) == mine | theirs
    assert as_paths(fieldset.intersection(left, right)) == mine & theirs
    assert as_paths(fieldset.difference(left, right)) == mine - theirs
    below = {p for p in mine if not any(p[: len(t)] == t for t in theirs)}
    assert as_paths(fieldset.recursive_difference(left, right)) == below
    built: fieldset.Node = {}
    for path in mine:
        fieldset.insert(built, path)
    assert as_paths(built) == mine
    assert fieldset.encode(built) == fieldset.encode(left)


def tidy(node: Any) -> Any:
    """The one spelling of a set: a lone "." is the empty node."""
    out = {k: tidy(v) for k, v in node.items()}
    return {k: ({} if k == "." or set(v) == {"."} else v) for k, v in out.items()}
