"""Custom kinds: from the moment their definition is written to the moment it is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.apiserver.api import Api

MERGE = "application/merge-patch+json"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "replicas": {"type": "integer", "default": 2},
                "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def definition(**changes: Any) -> dict[str, Any]:
    """Widgets: one version with status, scale and columns; changes go into that version."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        **changes,
    }
    names = {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
        "shortNames": ["wd"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def widget(name: str = "w", **spec: Any) -> dict[str, Any]:
    """A valid widget."""
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 3, **spec},
    }


async def test_definition_is_served_as_soon_as_it_is_created(api: Api) -> None:
    """Established, listed in discovery, taking objects: all with the answer to its creation."""
    made = await api.make(CRDS, definition())
    conditions = {c["type"]: c["status"] for c in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["status"]["acceptedNames"]["shortNames"] == ["wd"]
    listed = (await api.call("GET", "/apis/example.com/v1")).body["resources"]
    assert [entry["name"] for entry in listed] == ["widgets", "widgets/scale", "widgets/status"]
    assert (await api.make(WIDGETS, widget()))["spec"] == {"size": 3, "replicas": 2, "color": "red"}


async def test_object_is_pruned_and_warned_about(api: Api) -> None:
    """Undeclared fields go, but not below preserve-unknown-fields; Strict refuses them."""
    await api.make(CRDS, definition())
    sent = widget(foo=1, free={"any": {"thing": 1}})
    reply = await api.call("POST", WIDGETS, sent)
    assert reply.warnings == ['unknown field \\"spec.foo\\"']
    assert "foo" not in reply.body["spec"]
    assert reply.body["spec"]["free"] == {"any": {"thing": 1}}
    strict = await api.call("POST", WIDGETS, {**sent, "metadata": {"name": "x"}}, fieldValidation="Strict")
    assert strict.code == 400
    assert strict.message.endswith('strict decoding error: unknown field "spec.foo"')


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"color": "green"}, 'spec.color: Unsupported value: "green": supported values: "red", "blue"'),
    ],
)
async def test_object_that_breaks_its_schema_is_invalid(api: Api, spec: dict[str, Any], text: str) -> None:
    """422 with the text of upstream's validator, on create and on update."""
    await api.make(CRDS, definition())
    reply = await api.call("POST", WIDGETS, widget(**spec))
    assert (reply.code, reply.body["reason"]) == (422, "Invalid")
    assert text in reply.message
    await api.make(WIDGETS, widget())
    assert text in (await api.call("PATCH", f"{WIDGETS}/w", {"spec": spec}, media=MERGE)).message


async def test_status_subresource_parts_spec_from_status(api: Api) -> None:
    """Each path changes its own half, and only the spec counts generations."""
    await api.make(CRDS, definition())
    made = await api.make(WIDGETS, {**widget(), "status": {"x": 1}})
    assert "status" not in made
    both = {"spec": {"size": 9}, "status": {"x": 2}, "metadata": {"labels": {"a": "b"}}}
    after = (await api.call("PATCH", f"{WIDGETS}/w/status", both, media=MERGE)).body
    assert (after["spec"]["size"], after["status"], after["metadata"]["generation"]) == (3, {"x": 2}, 1)
    assert "labels" not in after["metadata"]
    after = (await api.call("PATCH", f"{WIDGETS}/w", both, media=MERGE)).body
    assert (after["spec"]["size"], after["status"], after["metadata"]["generation"]) == (9, {"x": 2}, 2)


async def test_object_without_status_subresource_is_all_spec(api: Api) -> None:
    """Every field is written through the main path and counts."""
    await api.make(CRDS, definition(subresources=None))
    made = await api.make(WIDGETS, {**widget(), "status": {"x": 1}})
    assert made["status"] == {"x": 1}
    after = (await api.call("PATCH", f"{WIDGETS}/w", {"status": {"x": 2}}, media=MERGE)).body
    assert after["metadata"]["generation"] == 2
    assert (await api.call("PATCH", f"{WIDGETS}/w/status", {}, media=MERGE)).code == 404


async def test_scale_uses_the_declared_paths(api: Api) -> None:
    """Read and written through autoscaling/v1."""
    await api.make(CRDS, definition())
    await api.make(WIDGETS, widget())
    patched = await api.call("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 7}}, media=MERGE)
    assert patched.body["spec"] == {"replicas": 7}
    assert (await api.call("GET", f"{WIDGETS}/w")).body["spec"]["replicas"] == 7


async def test_table_shows_the_printer_columns(api: Api) -> None:
    """Cells have their column's type; what is absent is empty."""
    await api.make(CRDS, definition())
    await api.make(WIDGETS, widget())
    body = (await api.call("GET", WIDGETS, accept=TABLE)).body
    assert [column["name"] for column in body["columnDefinitions"]] == ["Name", "Size", "Ready", "Age"]
    assert body["rows"][0]["cells"] == ["w", 3, None, "0s"]
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await api.call("PATCH", f"{WIDGETS}/w/status", status, media=MERGE)
    assert (await api.call("GET", WIDGETS, accept=TABLE)).body["rows"][0]["cells"][2] == "True"


async def test_update_of_custom_object_needs_a_version(api: Api) -> None:
    """No unconditional updates for custom kinds; strategic merge is not for them either."""
    await api.make(CRDS, definition())
    await api.make(WIDGETS, widget())
    reply = await api.call("PUT", f"{WIDGETS}/w", widget(size=4))
    assert reply.code == 422
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in reply.message
    strategic = await api.call("PATCH", f"{WIDGETS}/w", {}, media="application/strategic-merge-patch+json")
    assert strategic.code == 415


async def test_versions_share_their_objects(api: Api) -> None:
    """What is written in one served version is read in another; storage has its own."""
    two = definition()
    second = {**two["spec"]["versions"][0], "name": "v2", "storage": False}
    two["spec"]["versions"].append(second)
    await api.make(CRDS, two)
    await api.make("/apis/example.com/v2/namespaces/default/widgets", {**widget(), "apiVersion": "example.com/v2"})
    assert (await api.call("GET", f"{WIDGETS}/w")).body["apiVersion"] == "example.com/v1"
    body = (await api.call("GET", "/apis/example.com/v2/widgets")).body
    assert (body["apiVersion"], body["items"][0]["apiVersion"]) == ("example.com/v2", "example.com/v2")
    groups = (await api.call("GET", "/apis/example.com")).body
    assert groups["preferredVersion"]["version"] == "v2"
    mixed = await api.call("POST", WIDGETS, {**widget("x"), "apiVersion": "example.com/v2"})
    assert mixed.code == 400


async def test_true_and_one_are_different_values(api: Api) -> None:
    """A change from one to the other is stored and is a new generation, also where two of them change places."""
    await api.make(CRDS, definition())
    await api.make(WIDGETS, widget(free={"a": True, "b": 1, "c": 1}))
    for free, generation in (({"a": 1, "b": True}, 2), ({"c": True}, 3), ({"c": 1.0}, 4)):
        patched = (await api.call("PATCH", f"{WIDGETS}/w", {"spec": {"free": free}}, media=MERGE)).body
        assert {key: repr(patched["spec"]["free"][key]) for key in free} == {k: repr(v) for k, v in free.items()}
        assert patched["metadata"]["generation"] == generation


async def test_selectable_field_that_is_added_selects_objects_that_are_there(api: Api) -> None:
    """Also those that a selector has looked at before, when the field was none of theirs."""
    made = await api.make(CRDS, definition())
    await api.make(WIDGETS, widget("a", color="blue"))
    await api.make(WIDGETS, widget("b", color="red"))
    assert len((await api.call("GET", WIDGETS, labelSelector="a!=b")).body["items"]) == 2
    refused = await api.call("GET", WIDGETS, fieldSelector="spec.color=blue")
    assert (refused.code, refused.message) == (400, "field label not supported: spec.color")
    versions = [{**made["spec"]["versions"][0], "selectableFields": [{"jsonPath": ".spec.color"}]}]
    changed = {"spec": {"versions": versions}}
    assert (await api.call("PATCH", f"{CRDS}/widgets.example.com", changed, media=MERGE)).code == 200

    async def blue() -> list[str]:
        found = (await api.call("GET", WIDGETS, fieldSelector="spec.color=blue")).body["items"]
        return [item["metadata"]["name"] for item in found]

    assert await blue() == ["a"]
    await api.call("PATCH", f"{WIDGETS}/b", {"spec": {"color": "blue"}}, media=MERGE)
    assert await blue() == ["a", "b"]


async def test_definition_with_taken_names_is_not_established(api: Api) -> None:
    """The conflict is named, and resolved when the other definition is written again after the first has gone."""
    await api.make(CRDS, definition())
    other = definition()
    other["metadata"]["name"] = "gadgets.example.com"
    other["spec"]["names"] = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList",
                              "shortNames": ["wd"]}  # fmt: skip
    made = await api.make(CRDS, other)
    accepted = next(c for c in made["status"]["conditions"] if c["type"] == "NamesAccepted")
    assert (accepted["status"], accepted["reason"], accepted["message"]) == (
        "False",
        "ShortNamesConflict",
        '"wd" is already in use',
    )
    assert (await api.call("GET", "/apis/example.com/v1/gadgets")).code == 404
    await api.call("DELETE", f"{CRDS}/widgets.example.com")
    for _ in range(200):
        if (await api.call("GET", "/apis/example.com/v1/gadgets")).code == 200:
            break
        await asyncio.sleep(0.02)
    assert (await api.call("GET", "/apis/example.com/v1/gadgets")).code == 200


async def test_deleted_definition_takes_its_objects_along(api: Api) -> None:
    """Instances go first, finalizers included; then the definition, its path and its place in discovery."""
    await api.make(CRDS, definition())
    await api.make(WIDGETS, widget("a"))
    held = widget("b")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.make(WIDGETS, held)
    marked = (await api.call("DELETE", f"{CRDS}/widgets.example.com")).body
    assert marked["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert any(c["type"] == "Terminating" and c["status"] == "True" for c in marked["status"]["conditions"])
    refused = await api.call("POST", WIDGETS, widget("c"))
    assert refused.code == 405
    await asyncio.sleep(0)
    assert (await api.call("GET", f"{CRDS}/widgets.example.com")).code == 200
    reply = await api.call("PATCH", f"{WIDGETS}/b", {"metadata": {"finalizers": None}}, media=MERGE)
    assert reply.code == 200
    for _ in range(300):
        if (await api.call("GET", f"{CRDS}/widgets.example.com")).code == 404:
            break
        await asyncio.sleep(0.02)
    assert (await api.call("GET", WIDGETS)).code == 404
    assert (await api.call("GET", "/apis/example.com")).code == 404


async def test_deleted_definition_takes_objects_along_that_are_not_served(api: Api) -> None:
    """Nothing is left for a later definition of the same name, whatever was served at the end."""
    await api.make(CRDS, definition())
    await api.make(WIDGETS, widget())
    made = (await api.call("GET", f"{CRDS}/widgets.example.com")).body
    made["spec"]["versions"][0]["served"] = False
    assert (await api.call("PUT", f"{CRDS}/widgets.example.com", made)).code == 200
    assert (await api.call("GET", WIDGETS)).code == 404
    await api.call("DELETE", f"{CRDS}/widgets.example.com")
    for _ in range(300):
        if (await api.call("GET", f"{CRDS}/widgets.example.com")).code == 404:
            break
        await asyncio.sleep(0.02)
    await api.make(CRDS, definition())
    assert (await api.call("GET", WIDGETS)).body["items"] == []


async def test_discovery_lists_custom_and_builtin_kinds_alike(api: Api) -> None:
    """Aggregated discovery has the media type that clients check, and changes with the definitions."""
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    before = await api.call("GET", "/apis", accept=accept)
    assert before.headers["Content-Type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    await api.make(CRDS, definition())
    after = await api.call("GET", "/apis", accept=accept)
    assert after.headers["ETag"] != before.headers["ETag"]
    group = next(item for item in after.body["items"] if item["metadata"]["name"] == "example.com")
    resource = group["versions"][0]["resources"][0]
    assert (resource["resource"], resource["scope"], resource["shortNames"]) == ("widgets", "Namespaced", ["wd"])
    assert [sub["subresource"] for sub in resource["subresources"]] == ["scale", "status"]
    core = (await api.call("GET", "/api", accept=accept)).body["items"][0]["versions"][0]["resources"]
    pods = next(entry for entry in core if entry["resource"] == "pods")
    eviction = next(sub for sub in pods["subresources"] if sub["subresource"] == "eviction")
    assert eviction["responseKind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    cached = await api.call("GET", "/apis", accept=accept, headers={"If-None-Match": after.headers["ETag"]})
    assert cached.code == 304
    assert (await api.call("GET", "/apis")).body["kind"] == "APIGroupList"
    assert (await api.call("GET", "/api")).body["versions"] == ["v1"]
