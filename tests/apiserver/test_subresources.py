"""Binding, eviction, scale, tokens."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.apiserver.api import PODS, Api, pod

MERGE = "application/merge-patch+json"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


def binding(name: str = "p", node: str = "n1", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, **metadata},
        "target": {"kind": "Node", "name": node},
    }


def eviction(name: str = "p", **options: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": "default"},
        "deleteOptions": options,
    }


async def run_pod(api: Api, name: str = "p", *, ready: bool = True, **changes: Any) -> None:
    await api.make(PODS, pod(name, nodeName="n1", **changes))
    condition = {"type": "Ready", "status": str(ready)}
    status = {"status": {"phase": "Running", "conditions": [condition]}}
    assert (await api.call("PATCH", f"{PODS}/{name}/status", status, media=MERGE)).code == 200


async def budget(api: Api, name: str = "b", **status: Any) -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    kind = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
    await api.make(BUDGETS, {**kind, "metadata": {"name": name}, "spec": spec})
    wanted = {"status": {"observedGeneration": 1, "currentHealthy": 1, "desiredHealthy": 1, "disruptionsAllowed": 0,
                         "expectedPods": 1, **status}}  # fmt: skip
    reply = await api.call("PATCH", f"{BUDGETS}/{name}/status", wanted, media=MERGE)
    assert reply.code == 200, reply.body


async def test_binding_gives_a_pod_its_node_once(api: Api) -> None:
    """nodeName and the PodScheduled condition in one write; a second binding conflicts."""
    await api.make(PODS, pod())
    assert (await api.call("POST", f"{PODS}/p/binding", binding())).code == 201
    bound = (await api.call("GET", f"{PODS}/p")).body
    assert bound["spec"]["nodeName"] == "n1"
    assert [(c["type"], c["status"]) for c in bound["status"]["conditions"]] == [("PodScheduled", "True")]
    assert bound["metadata"]["generation"] == 1
    again = await api.call("POST", f"{PODS}/p/binding", binding(node="n2"))
    assert again.code == 409
    assert again.message == (
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"'
    )


async def test_binding_that_does_not_fit_is_refused(api: Api) -> None:
    """Another uid, a missing pod, no target."""
    await api.make(PODS, pod())
    assert (await api.call("POST", f"{PODS}/p/binding", binding(uid="x"))).code == 409
    assert (await api.call("POST", f"{PODS}/q/binding", binding("q"))).code == 404
    assert (await api.call("POST", f"{PODS}/p/binding", binding("q"))).code == 400
    assert (await api.call("POST", f"{PODS}/p/binding", binding(node=""))).code == 422


async def test_eviction_without_budget_deletes(api: Api) -> None:
    """The pod learns why it ends."""
    await run_pod(api)
    assert (await api.call("POST", f"{PODS}/p/eviction", eviction())).code == 201
    going = (await api.call("GET", f"{PODS}/p")).body
    assert going["metadata"]["deletionTimestamp"]
    target = next(c for c in going["status"]["conditions"] if c["type"] == "DisruptionTarget")
    assert (target["reason"], target["message"]) == ("EvictionByEvictionAPI", "Eviction API: evicting")


async def test_eviction_dry_run_changes_nothing(api: Api) -> None:
    """Neither pod nor budget."""
    await run_pod(api, labels={"app": "x"})
    await budget(api, disruptionsAllowed=1)
    assert (await api.call("POST", f"{PODS}/p/eviction", eviction(dryRun=["All"]))).code == 201
    assert "deletionTimestamp" not in (await api.call("GET", f"{PODS}/p")).body["metadata"]
    assert (await api.call("GET", f"{BUDGETS}/b")).body["status"]["disruptionsAllowed"] == 1


async def test_eviction_that_a_budget_forbids_is_429(api: Api) -> None:
    """Upstream's text and cause, and no Retry-After."""
    await run_pod(api, labels={"app": "x"})
    await budget(api)
    reply = await api.call("POST", f"{PODS}/p/eviction", eviction())
    assert (reply.code, reply.body["reason"]) == (429, "TooManyRequests")
    assert reply.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert reply.body["details"]["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget b needs 1 healthy pods and has 1 currently"}
    ]
    assert "Retry-After" not in reply.headers
    assert "deletionTimestamp" not in (await api.call("GET", f"{PODS}/p")).body["metadata"]


async def test_eviction_takes_one_from_the_budget(api: Api) -> None:
    """The budget notes the pod, so that its controller does not count it."""
    await run_pod(api, labels={"app": "x"})
    await budget(api, disruptionsAllowed=1, currentHealthy=2)
    assert (await api.call("POST", f"{PODS}/p/eviction", eviction())).code == 201
    state = (await api.call("GET", f"{BUDGETS}/b")).body["status"]
    assert state["disruptionsAllowed"] == 0
    assert list(state["disruptedPods"]) == ["p"]


async def test_eviction_under_two_budgets_is_refused(api: Api) -> None:
    """500 with upstream's text."""
    await run_pod(api, labels={"app": "x"})
    await budget(api, "b", disruptionsAllowed=1)
    await budget(api, "c", disruptionsAllowed=1)
    reply = await api.call("POST", f"{PODS}/p/eviction", eviction())
    assert reply.code == 500
    assert reply.message.startswith("This pod has more than one PodDisruptionBudget")


async def test_eviction_of_an_unready_pod_follows_the_policy(api: Api) -> None:
    """IfHealthyBudget lets it go while the application is whole; AlwaysAllow always."""
    await run_pod(api, labels={"app": "x"}, ready=False)
    await budget(api, currentHealthy=1, desiredHealthy=1)
    assert (await api.call("POST", f"{PODS}/p/eviction", eviction())).code == 201


async def test_scale_of_a_deployment(api: Api) -> None:
    """Read, put and patched as autoscaling/v1."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    path = "/apis/apps/v1/namespaces/default/deployments"
    await api.make(path, deployment)
    scale = (await api.call("GET", f"{path}/d/scale")).body
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 2})
    assert scale["status"] == {"replicas": 0, "selector": "a=b"}
    scale["spec"]["replicas"] = 5
    assert (await api.call("PUT", f"{path}/d/scale", scale)).body["spec"] == {"replicas": 5}
    assert (await api.call("PUT", f"{path}/d/scale", scale)).code == 409
    patched = await api.call("PATCH", f"{path}/d/scale", {"spec": {"replicas": 1}}, media=MERGE)
    assert patched.body["spec"] == {"replicas": 1}
    stored = (await api.call("GET", f"{path}/d")).body
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (1, 3)
    assert (await api.call("PATCH", f"{path}/d/scale", {"spec": {"replicas": -1}}, media=MERGE)).code == 422


async def ask(api: Api, token: str, path: str) -> int:
    """The code that a bearer of the token gets."""
    connector = aiohttp.TCPConnector(ssl=False)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(api.server.url + path, headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        return answer.status


async def test_token_is_its_account_until_the_account_is_gone(api: Api) -> None:
    """A token works at once, TokenReview knows it, and it ends with its ServiceAccount."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await api.make(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = (await api.make(f"{accounts}/bot/token", request))["status"]["token"]
    assert await ask(api, token, PODS) == 403
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    bound = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "bot"},
        "roleRef": role,
        "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "default"}],
    }
    await api.make("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", bound)
    assert await ask(api, token, PODS) == 200
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    state = (await api.make("/apis/authentication.k8s.io/v1/tokenreviews", review))["status"]
    assert state["user"]["username"] == "system:serviceaccount:default:bot"
    assert state["user"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]
    await api.call("DELETE", f"{accounts}/bot")
    assert await ask(api, token, PODS) == 401
    assert await ask(api, token[:-3] + "AAA", PODS) == 401


async def test_token_of_a_pod_ends_with_the_pod(api: Api) -> None:
    """Bound to the pod's uid; another account's pod is refused."""
    made = await api.make(PODS, pod())
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    request: dict[str, Any] = {"spec": {"expirationSeconds": 3607, "boundObjectRef": reference}}
    token = (await api.make(path, request))["status"]["token"]
    assert await ask(api, token, "/api") == 200
    reference["uid"] = "other"
    assert (await api.call("POST", path, request)).code == 409
    await api.call("DELETE", f"{PODS}/p")
    assert await ask(api, token, "/api") == 401


async def test_token_that_is_too_short_lived_is_refused(api: Api) -> None:
    """Ten minutes at least."""
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    reply = await api.call("POST", path, {"spec": {"expirationSeconds": 60}})
    assert reply.code == 422
    assert "may not specify a duration less than 10 minutes" in reply.message
