"""DELETE: at once, gracefully, held by finalizers, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.api import CONFIG_MAPS, PODS, Api, config_map, pod

MERGE = "application/merge-patch+json"


async def scheduled(api: Api, name: str = "p", **changes: Any) -> Any:
    """A pod that a node owns, running."""
    await api.make(PODS, pod(name, nodeName="n1", **changes))
    status = {"status": {"phase": "Running"}}
    return (await api.call("PATCH", f"{PODS}/{name}/status", status, media=MERGE)).body


async def test_delete_answers_with_a_status_that_names_the_object(api: Api) -> None:
    """Clients wait for the uid in `details`."""
    made = await api.make(CONFIG_MAPS, config_map())
    reply = await api.call("DELETE", f"{CONFIG_MAPS}/m")
    assert reply.code == 200
    assert reply.body["status"] == "Success"
    assert reply.body["details"] == {"name": "m", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await api.call("DELETE", f"{CONFIG_MAPS}/m")).code == 404


async def test_delete_of_a_running_pod_is_graceful(api: Api) -> None:
    """It stays with deletionTimestamp and period; only a shorter period changes that; zero ends it."""
    await scheduled(api)
    first = (await api.call("DELETE", f"{PODS}/p")).body
    assert first["metadata"]["deletionGracePeriodSeconds"] == 30
    assert first["metadata"]["generation"] == 2
    again = (await api.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 60})).body
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    shorter = (await api.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 5})).body
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    assert shorter["metadata"]["deletionTimestamp"] < first["metadata"]["deletionTimestamp"]
    await api.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    assert (await api.call("GET", f"{PODS}/p")).code == 404


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Pending"])
async def test_delete_of_a_pod_that_nobody_runs_is_immediate(api: Api, phase: str) -> None:
    """Unscheduled and terminal pods have nobody to stop them."""
    if phase == "Pending":
        await api.make(PODS, pod())
    else:
        await scheduled(api)
        await api.call("PATCH", f"{PODS}/p/status", {"status": {"phase": phase}}, media=MERGE)
    assert (await api.call("DELETE", f"{PODS}/p")).body["kind"] == "Pod"
    assert (await api.call("GET", f"{PODS}/p")).code == 404


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"uid": "x"}, "the UID in the precondition (x) does not match the UID in record"),
        ({"resourceVersion": "1"}, "the ResourceVersion in the precondition (1) does not match the ResourceVersion"),
    ],
)
async def test_delete_with_precondition_that_fails_conflicts(api: Api, conditions: dict[str, str], text: str) -> None:
    """409, and the object stays."""
    await api.make(CONFIG_MAPS, config_map())
    reply = await api.call("DELETE", f"{CONFIG_MAPS}/m", {"preconditions": conditions})
    assert (reply.code, text in reply.message) == (409, True)
    assert (await api.call("GET", f"{CONFIG_MAPS}/m")).code == 200


async def test_finalizers_hold_an_object_until_the_last_is_gone(api: Api) -> None:
    """DELETE marks it; removing the finalizers ends it; none can be added meanwhile."""
    await api.make(CONFIG_MAPS, config_map(finalizers=["a.io/x", "a.io/y"]))
    marked = (await api.call("DELETE", f"{CONFIG_MAPS}/m")).body
    assert marked["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["a.io/x", "a.io/y", "a.io/z"]}}
    refused = await api.call("PATCH", f"{CONFIG_MAPS}/m", more, media=MERGE)
    assert refused.code == 422
    assert "no new finalizers can be added if the object is being deleted" in refused.message
    one = await api.call("PATCH", f"{CONFIG_MAPS}/m", {"metadata": {"finalizers": ["a.io/y"]}}, media=MERGE)
    assert one.code == 200
    assert (await api.call("PATCH", f"{CONFIG_MAPS}/m", {"metadata": {"finalizers": None}}, media=MERGE)).code == 200
    assert (await api.call("GET", f"{CONFIG_MAPS}/m")).code == 404


async def test_delete_with_a_grace_beyond_all_time_can_be_cut_short(api: Api) -> None:
    """The API takes any number of seconds; the end is the last time that can be written, and a shorter one is now."""
    await scheduled(api, terminationGracePeriodSeconds=9_000_000_000_000)
    first = (await api.call("DELETE", f"{PODS}/p")).body["metadata"]
    assert first["deletionGracePeriodSeconds"] == 9_000_000_000_000
    assert first["deletionTimestamp"] == "9999-12-31T23:59:59Z"
    assert (await api.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 5})).code == 200
    assert (await api.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})).code == 200
    assert (await api.call("GET", f"{PODS}/p")).code == 404


async def test_finalizer_outlives_the_grace_of_a_pod(api: Api) -> None:
    """The node's DELETE with period 0 leaves the finalizer's owner to end it."""
    await scheduled(api, finalizers=["a.io/x"])
    await api.call("DELETE", f"{PODS}/p")
    await api.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    held = (await api.call("GET", f"{PODS}/p")).body["metadata"]
    assert held["deletionGracePeriodSeconds"] == 0
    await api.call("PATCH", f"{PODS}/p", {"metadata": {"finalizers": None}}, media=MERGE)
    assert (await api.call("GET", f"{PODS}/p")).code == 404


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"propagationPolicy": "Orphan"}, ["orphan"]),
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
        ({"orphanDependents": True}, ["orphan"]),
    ],
)
async def test_propagation_policy_becomes_a_finalizer(api: Api, options: dict[str, Any], expected: list[str]) -> None:
    """The garbage collector does the rest."""
    await api.make(CONFIG_MAPS, config_map())
    reply = await api.call("DELETE", f"{CONFIG_MAPS}/m", options)
    assert reply.body["metadata"]["finalizers"] == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"propagationPolicy": "Sideways"}, 'propagationPolicy: Unsupported value: "Sideways"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, "cannot be both set"),
        ({"dryRun": ["Some"]}, "dryRun: Unsupported value"),
    ],
)
async def test_delete_options_that_are_wrong_are_refused(api: Api, options: dict[str, Any], text: str) -> None:
    """422 of DeleteOptions."""
    await api.make(CONFIG_MAPS, config_map())
    reply = await api.call("DELETE", f"{CONFIG_MAPS}/m", options)
    assert (reply.code, text in reply.message) == (422, True)


async def test_delete_collection_takes_what_the_selectors_match(api: Api) -> None:
    """The others stay."""
    for name in ("a", "b", "c"):
        await api.make(CONFIG_MAPS, config_map(name, labels={"x": "1" if name != "b" else "2"}))
    reply = await api.call("DELETE", CONFIG_MAPS, labelSelector="x=1")
    assert [item["metadata"]["name"] for item in reply.body["items"]] == ["a", "c"]
    left = (await api.call("GET", CONFIG_MAPS)).body["items"]
    assert [item["metadata"]["name"] for item in left] == ["b", "kube-root-ca.crt"]


async def test_namespace_terminates_until_it_is_finalized(api: Api) -> None:
    """Nothing new may begin in it; a second DELETE conflicts; the last finalizer ends it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    await api.make("/api/v1/namespaces", namespace)
    assert (await api.call("GET", "/api/v1/namespaces/demo/serviceaccounts/default")).code == 200
    marked = (await api.call("DELETE", "/api/v1/namespaces/demo")).body
    assert marked["status"]["phase"] == "Terminating"
    refused = await api.call("POST", "/api/v1/namespaces/demo/configmaps", config_map())
    assert refused.code == 403
    text = "unable to create new content in namespace demo because it is being terminated"
    assert refused.message == f'configmaps "m" is forbidden: {text}'
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    again = await api.call("DELETE", "/api/v1/namespaces/demo")
    assert (again.code, "this namespace will automatically be purged by the system." in again.message) == (409, True)
    marked["spec"]["finalizers"] = []
    assert (await api.call("PUT", "/api/v1/namespaces/demo/finalize", marked)).code == 200
    assert (await api.call("GET", "/api/v1/namespaces/demo")).code == 404


async def test_first_namespaces_cannot_be_deleted(api: Api) -> None:
    """default, kube-system and kube-public stay."""
    reply = await api.call("DELETE", "/api/v1/namespaces/default")
    assert (reply.code, reply.message) == (
        403,
        'namespaces "default" is forbidden: this namespace may not be deleted',
    )
