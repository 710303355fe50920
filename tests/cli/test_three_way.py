"""The patches of client-side apply."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.cli import three_way
from podsysctl.objects import patch as patches
from podsysctl.objects import schema

POD = schema.builtin("core/v1.Pod")
DEPLOYMENT = schema.builtin("apps/v1.Deployment")


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("original", "modified", "current", "patch"),
    [
        pytest.param({}, {"a": "1"}, {"a": "1", "b": "2"}, {}, id="a-live-field-of-others-stays"),
        pytest.param({"a": "1"}, {}, {"a": "1", "b": "2"}, {"a": None}, id="a-field-that-left-the-file-goes"),
        pytest.param({"a": "1"}, {}, {"b": "2"}, {}, id="a-field-that-is-gone-already-is-not-mentioned"),
        pytest.param({}, {"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, {"a": {"b": 1}}, id="maps-merge"),
        pytest.param({}, {"a": [1]}, {"a": [1, 2]}, {"a": [1]}, id="lists-are-replaced"),
        pytest.param({}, {"a": None}, {"a": 1}, {"a": None}, id="null-removes"),
        pytest.param({}, {"a": True}, {"a": 1}, {"a": True}, id="true-is-not-one"),
    ],
)
def test_merge_patch_case(original: Any, modified: Any, current: Any, patch: Any) -> None:
    """Custom kinds: a JSON merge patch."""
    assert three_way.merge_patch(original, modified, current) == patch


def test_strategic_patch_changes_a_container_by_name() -> None:
    """Containers merge by name; what the server defaulted in them is not touched."""
    current = pod(containers=[{"name": "a", "image": "x", "imagePullPolicy": "Always"}, {"name": "b", "image": "y"}])
    modified = pod(containers=[{"name": "a", "image": "z"}, {"name": "b", "image": "y"}])
    assert three_way.strategic_patch({}, modified, current, POD) == {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
            "containers": [{"name": "a", "image": "z"}],
        }
    }


def test_strategic_patch_removes_an_element_that_left_the_file() -> None:
    """A container that was applied before and is not in the file any more is deleted; a sidecar of others stays."""
    original = pod(containers=[{"name": "a"}, {"name": "b"}])
    current = pod(containers=[{"name": "a"}, {"name": "b"}, {"name": "sidecar"}])
    patch = three_way.strategic_patch(original, pod(containers=[{"name": "a"}]), current, POD)
    assert patch["spec"]["containers"] == [{"$patch": "delete", "name": "b"}]
    names = [c["name"] for c in patches.strategic_merge(current, patch, POD)["spec"]["containers"]]
    assert names == ["a", "sidecar"]


def test_strategic_patch_replaces_sysctls_as_one() -> None:
    """spec.securityContext.sysctls has no merge key: the list of the file is the list."""
    current = pod(securityContext={"sysctls": [{"name": "a", "value": "1"}]})
    modified = pod(securityContext={"sysctls": [{"name": "b", "value": "2"}]})
    patch = three_way.strategic_patch({}, modified, current, POD)
    assert patch == {"spec": {"securityContext": {"sysctls": [{"name": "b", "value": "2"}]}}}


def test_strategic_patch_of_a_union_retains_the_files_keys() -> None:
    """Changing a Deployment's strategy must drop the parameters of the old one."""
    current = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    modified = {"spec": {"strategy": {"type": "Recreate"}}}
    patch = three_way.strategic_patch({}, modified, current, DEPLOYMENT)
    assert patch == {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patches.strategic_merge(current, patch, DEPLOYMENT) == modified


def test_strategic_patch_of_finalizers_adds_and_removes() -> None:
    """Lists of scalars that merge name what goes."""
    patch = three_way.strategic_patch(
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"finalizers": ["b", "c"]}},
        {"metadata": {"finalizers": ["a", "b", "x"]}},
        POD,
    )
    assert patch["metadata"]["$deleteFromPrimitiveList/finalizers"] == ["a"]
    assert patch["metadata"]["finalizers"] == ["c"]


NAMES = st.lists(st.sampled_from("abcd"), unique=True, max_size=4)


def element(name: str) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({"name": st.just(name), "value": st.sampled_from("123")})


ELEMENTS = NAMES.flatmap(lambda names: st.tuples(*map(element, names)))


@given(ELEMENTS, ELEMENTS, st.sampled_from(["x", "y"]))
def test_strategic_patch_applied_gives_what_the_file_says(before: Any, after: Any, image: str) -> None:
    """With nobody else changing the object, live becomes the file: elements, values and order."""

    def with_env(env: Any, image: str) -> dict[str, Any]:
        return pod(containers=[{"name": "c", "image": image, **({"env": list(env)} if env else {})}])

    old, new = with_env(before, "x"), with_env(after, image)
    patch = three_way.strategic_patch(old, new, old, POD)
    assert patches.strategic_merge(old, patch, POD) == new
    assert bool(patch) == (old != new)
