"""JSON patch, merge patch and strategic merge patch."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.base.errors import StatusError
from podsysctl.objects import patch, schema
from podsysctl.objects.patch import jsonpatch, tree

POD = schema.builtin("core/v1.Pod")
SERVER_TEXT = "the server rejected our request due to an error in our request"

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text("abc", max_size=1), trees, max_size=3)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/a/b", "value": 1}], {"a": {"x": 1, "b": 1}, "l": [1, 2]}),
        ([{"op": "add", "path": "/l/-", "value": 3}], {"a": {"x": 1}, "l": [1, 2, 3]}),
        ([{"op": "add", "path": "/l/0", "value": 3}], {"a": {"x": 1}, "l": [3, 1, 2]}),
        ([{"op": "add", "path": "/l/-1", "value": 3}], {"a": {"x": 1}, "l": [1, 2, 3]}),
        ([{"op": "remove", "path": "/l/-1"}], {"a": {"x": 1}, "l": [1]}),
        ([{"op": "replace", "path": "/a/new", "value": 2}], {"a": {"x": 1, "new": 2}, "l": [1, 2]}),
        ([{"op": "replace", "path": "", "value": {}}], {}),
        ([{"op": "move", "from": "/a/x", "path": "/l/1"}], {"a": {}, "l": [1, 1, 2]}),
        ([{"op": "copy", "from": "/l", "path": "/a/~1~01"}], {"a": {"x": 1, "/~1": [1, 2]}, "l": [1, 2]}),
        ([{"op": "test", "path": "/a/gone", "value": None}], {"a": {"x": 1}, "l": [1, 2]}),
    ],
)
def test_json_patch_operation_applies_as_upstreams_library(operations: list[Any], expected: Any) -> None:
    """Every operation acts as evanphx/json-patch does, and the input stays as it was."""
    doc = {"a": {"x": 1}, "l": [1, 2]}
    assert patch.json_patch(doc, operations) == expected
    assert doc == {"a": {"x": 1}, "l": [1, 2]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/l/0", "value": True},
        {"op": "test", "path": "/a", "value": {}},
        {"op": "remove", "path": "/gone"},
        {"op": "remove", "path": "/l/2"},
        {"op": "add", "path": "/gone/x", "value": 1},
        {"op": "add", "path": "/l/x", "value": 1},
        {"op": "add", "path": "", "value": {}},
        {"op": "replace", "path": "/l/2", "value": 1},
        {"op": "move", "path": "/x"},
        {"op": "frobnicate", "path": "/x"},
        {"op": "add", "path": "/a/x/y", "value": 1},
        {"op": "add", "path": "/x" * 101, "value": 1},
    ],
)
def test_json_patch_operation_that_does_not_fit_is_422(operation: dict[str, Any]) -> None:
    """What does not fit the document is refused with upstream's general text."""
    with pytest.raises(StatusError) as caught:
        patch.json_patch({"a": {"x": 1}, "l": [1, 2]}, [operation])
    assert (caught.value.code, caught.value.status_reason, caught.value.message) == (422, "Invalid", SERVER_TEXT)
    assert caught.value.hint


def test_json_patch_bounds_operations_and_copies() -> None:
    """Too many operations are 413; copies that grow past the body limit are 422."""
    with pytest.raises(StatusError) as caught:
        patch.json_patch({}, [{"op": "test", "path": "/x", "value": None}] * 10_001)
    assert caught.value.code == 413
    assert caught.value.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"} for _ in range(40)]
    with pytest.raises(StatusError) as caught:
        patch.json_patch({"a": ["x" * 1000]}, doubling)
    assert caught.value.code == 422


def test_json_patch_body_of_wrong_kind_is_400() -> None:
    """A body that is not a list of operations is a bad request, in Go's words."""
    with pytest.raises(StatusError) as caught:
        patch.json_patch({}, {"op": "add"})
    assert caught.value.code == 400
    assert caught.value.message == (
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
    )
    assert jsonpatch.strict_problems([{"op": "add", "foo": 1}]) == ['json patch unknown field "[0].foo"']


@given(
    objects,
    st.lists(
        st.tuples(
            st.sampled_from(["add", "remove", "replace", "test", "copy", "move"]),
            st.text("/ab0-", max_size=5),
            st.text("/ab0-", max_size=5),
            trees,
        ),
        max_size=4,
    ),
)
def test_json_patch_any_operations_apply_or_are_refused(doc: Any, operations: Any) -> None:
    """No operations crash, and the input is never changed."""
    before = tree.clone(doc)
    listed = [{"op": op, "path": path, "from": source, "value": value} for op, path, source, value in operations]
    with contextlib.suppress(StatusError):
        patch.json_patch(doc, listed)
    assert tree.equal(doc, before)


@pytest.mark.parametrize(
    ("doc", "change", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_rfc_7386_cases_hold(doc: Any, change: Any, expected: Any) -> None:
    """The RFC's own table."""
    assert patch.merge_patch(doc, change) == expected


@given(objects, objects)
def test_merge_patch_applied_twice_changes_nothing_more(doc: Any, change: Any) -> None:
    """Merge patches are idempotent and leave their input alone."""
    before = tree.clone(doc)
    once = patch.merge_patch(doc, change)
    assert tree.equal(patch.merge_patch(once, change), once)
    assert tree.equal(doc, before)


def pod(**spec: Any) -> dict[str, Any]:
    """A Pod with one container and what the case adds."""
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "x"}], **spec}}


STRATEGIC = [
    # containers merge by name, new ones are appended first in patch order
    (
        pod(),
        {"spec": {"containers": [{"name": "a", "image": "y"}, {"name": "b", "image": "z"}]}},
        pod(containers=[{"name": "a", "image": "y"}, {"name": "b", "image": "z"}]),
    ),
    (
        pod(containers=[{"name": "a"}, {"name": "b"}]),
        {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}},
        pod(containers=[{"name": "b"}]),
    ),
    (
        pod(containers=[{"name": "a"}, {"name": "b"}]),
        {"spec": {"containers": [{"name": "c"}, {"$patch": "replace"}]}},
        pod(containers=[{"name": "c"}]),
    ),
    # an atomic list is replaced
    (
        pod(tolerations=[{"key": "a"}]),
        {"spec": {"tolerations": [{"key": "b"}]}},
        pod(tolerations=[{"key": "b"}]),
    ),
    # maps: null removes, $patch replaces or empties
    (
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"a": None, "c": "3"}}},
        {"metadata": {"labels": {"b": "2", "c": "3"}}},
    ),
    (
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"$patch": "replace", "c": "3"}}},
        {"metadata": {"labels": {"c": "3"}}},
    ),
    (
        {"metadata": {"labels": {"a": "1"}}},
        {"metadata": {"labels": {"$patch": "delete"}}},
        {"metadata": {"labels": {}}},
    ),
    # scalars of a merging list join; the parallel list deletes
    (
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"finalizers": ["c", "b"]}},
        {"metadata": {"finalizers": ["c", "a", "b"]}},
    ),
    (
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
        {"metadata": {"finalizers": ["b"]}},
    ),
    # order directive
    (
        pod(containers=[{"name": "a"}, {"name": "b"}, {"name": "c"}]),
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "d"}, {"name": "a"}],
                "containers": [{"name": "d", "image": "i"}, {"name": "b", "$patch": "delete"}],
            }
        },
        pod(containers=[{"name": "c"}, {"name": "d", "image": "i"}, {"name": "a"}]),
    ),
    # retainKeys clears the union's other member
    (
        pod(volumes=[{"name": "v", "emptyDir": {}}]),
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}, "$retainKeys": ["name", "hostPath"]}]}},
        pod(volumes=[{"name": "v", "hostPath": {"path": "/x"}}]),
    ),
    # nulls and directives of what is new vanish
    ({}, {"spec": {"a": None, "b": [{"x": 1, "$patch": "delete"}, {"y": None}]}}, {"spec": {"b": [{}]}}),
]


@pytest.mark.parametrize(("doc", "change", "expected"), STRATEGIC)
def test_strategic_merge_directive_acts_as_upstream(doc: Any, change: Any, expected: Any) -> None:
    """Lists merge by the type's keys and directives are obeyed; the input stays as it was."""
    before, change_before = tree.clone(doc), tree.clone(change)
    assert patch.strategic_merge(doc, change, POD) == expected
    assert (doc, change) == (before, change_before)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"$patch": "x"}, 500, "unknown patch type: x in map: map[$patch:x]"),
        ({"spec": {"$retainKeys": "x"}}, 400, "invalid patch format of retainKeys"),
        (
            {"spec": {"containers": [{"image": "x"}]}},
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            {"spec": {"containers": [{"name": "z"}], "$setElementOrder/containers": [{"name": "a"}]}},
            500,
            "The order in patch list:\n[map[name:z]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
        ),
        (
            {"spec": {"$setElementOrder/foo": []}},
            500,
            'unable to find api field in struct PodSpec for the json field "foo"',
        ),
        ({"spec": {"containers": ["x"]}}, 500, None),
        ([], 400, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ],
)
def test_strategic_merge_malformed_patch_gives_upstreams_error(change: Any, code: int, message: str | None) -> None:
    """Code and text of each refusal are upstream's."""
    with pytest.raises(StatusError) as caught:
        patch.strategic_merge(pod(), change, POD)
    assert caught.value.code == code
    if message is not None:
        assert caught.value.message == message


def test_strategic_merge_custom_type_is_400() -> None:
    """Custom types have no merge keys, so the format is refused."""
    with pytest.raises(StatusError) as caught:
        patch.strategic_merge({}, {}, schema.Schema(schema.OBJECT))
    assert (caught.value.code, caught.value.message) == (400, "strategic merge patch format is not supported")


@given(st.lists(st.sampled_from("abcd"), unique=True), st.lists(st.sampled_from("abcd"), unique=True))
def test_strategic_merge_keyed_list_keeps_every_element_once(live: list[str], changed: list[str]) -> None:
    """Merging loses no element and doubles none, and is idempotent."""
    doc = pod(containers=[{"name": name} for name in live])
    change = {"spec": {"containers": [{"name": name, "image": "i"} for name in changed]}}
    once = patch.strategic_merge(doc, change, POD)
    names = [c["name"] for c in once["spec"]["containers"]]
    assert sorted(names) == sorted({*live, *changed})
    assert [name for name in names if name in changed] == changed
    assert patch.strategic_merge(once, change, POD) == once
