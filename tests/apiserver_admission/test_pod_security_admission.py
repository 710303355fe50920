"""Pod Security inside a running API server: Warning headers, refusals, namespaces, audit."""

from __future__ import annotations

import json
from typing import Any

from tests.apiserver_admission.conftest import Api
from tests.policy.builders import pod, restricted_pod, with_sysctls

PODS = "/api/v1/namespaces/demo/pods"
WARNING = (
    '299 - "would violate PodSecurity \\"restricted:latest\\": forbidden sysctls (net.core.somaxconn, kernel.msgmax)"'
)


def chapter(name: str = "sysctl-example-unsafe") -> dict[str, Any]:
    """The chapter's pod with two unsafe sysctls."""
    out = with_sysctls(restricted_pod(), "kernel.shm_rmid_forced", "net.core.somaxconn", "kernel.msgmax")
    out["metadata"] = {"name": name}
    return out


def named(target: dict[str, Any], name: str) -> dict[str, Any]:
    """The pod under another name."""
    target["metadata"] = {"name": name}
    return target


def deployment(template: dict[str, Any]) -> dict[str, Any]:
    """A Deployment of such pods."""
    labels = {"app": "a"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
        },
    }


async def test_chapter_pod_is_created_with_exactly_one_warning(openshift: Api) -> None:
    """The chapter's line, in the default namespace and in one of its own."""
    await openshift.namespace("demo")
    for path in (PODS, "/api/v1/namespaces/default/pods"):
        reply = await openshift.create(path, chapter())
        assert reply.code == 201, reply.message
        assert reply.warnings == [WARNING]


async def test_enforced_level_refuses_with_details(kubernetes: Api) -> None:
    """The whole Status, and no warning beside it."""
    await kubernetes.namespace("demo", enforce="baseline")
    reply = await kubernetes.create(PODS, chapter())
    assert reply.code == 403
    assert reply.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods "sysctl-example-unsafe" is forbidden: violates PodSecurity "baseline:latest":'
        " forbidden sysctls (net.core.somaxconn, kernel.msgmax)",
        "reason": "Forbidden",
        "details": {"name": "sysctl-example-unsafe", "kind": "pods"},
        "code": 403,
    }
    assert reply.warnings == []


async def test_kubernetes_platform_demands_nothing_by_default(kubernetes: Api) -> None:
    """Without labels there is neither warning nor refusal."""
    await kubernetes.namespace("demo")
    reply = await kubernetes.create(PODS, named(pod(hostPID=True), "p"))
    assert (reply.code, reply.warnings) == (201, [])


async def test_invalid_pod_is_refused_before_pod_security(kubernetes: Api) -> None:
    """Field validation comes first; a 422 carries no warning."""
    await kubernetes.namespace("demo", enforce="restricted", warn="restricted")
    reply = await kubernetes.create(PODS, named(with_sysctls(pod(), "Bad"), "p"))
    assert (reply.code, reply.warnings) == (422, [])


async def test_deployment_is_created_with_a_warning(kubernetes: Api) -> None:
    """Workloads are never refused."""
    await kubernetes.namespace("demo", enforce="baseline")
    reply = await kubernetes.create("/apis/apps/v1/namespaces/demo/deployments", deployment(pod(hostPID=True)))
    assert reply.code == 201, reply.message
    assert reply.warnings == ['299 - "would violate PodSecurity \\"baseline:latest\\": host namespaces (hostPID=true)"']


async def test_deployment_is_judged_as_constraints_would_complete_it(openshift: Api) -> None:
    """A plain template violates nothing on OpenShift, where its pods get restricted-v2."""
    await openshift.namespace("demo")
    path = "/apis/apps/v1/namespaces/demo/deployments"
    assert (await openshift.create(path, deployment(pod()))).warnings == []
    unsafe = deployment(with_sysctls(pod(), "kernel.msgmax"))
    unsafe["metadata"]["name"] = "e"
    warnings = (await openshift.create(path, unsafe)).warnings
    assert "forbidden sysctls (kernel.msgmax), allowPrivilegeEscalation != false" in warnings[0]


async def test_namespace_with_bad_label_is_invalid(kubernetes: Api) -> None:
    """422 with the label's path."""
    reply = await kubernetes.namespace("demo", enforce="foo")
    assert reply.code == 422
    assert reply.message == (
        'Namespace "demo" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "foo":'
        " must be one of privileged, baseline, restricted"
    )


async def test_stricter_namespace_label_lists_existing_pods(kubernetes: Api) -> None:
    """The change is made and the pods that would no longer be let in are named."""
    await kubernetes.namespace("demo")
    await kubernetes.create(PODS, named(pod(hostPID=True), "bad"))
    patch = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    reply = await kubernetes.call("PATCH", "/api/v1/namespaces/demo", patch, "application/merge-patch+json")
    assert reply.code == 200
    assert reply.warnings == [
        '299 - "existing pods in namespace \\"demo\\" violate the new PodSecurity enforce level \\"baseline:latest\\""',
        '299 - "bad: host namespaces"',
    ]


async def test_audit_log_holds_the_annotations(openshift: Api) -> None:
    """What was enforced and what would be violated stands in the audit log."""
    await openshift.namespace("demo")
    await openshift.create(PODS, chapter())
    lines = [json.loads(line) for line in openshift.server.config.audit_log.read_text().splitlines()]
    annotations = next(line["annotations"] for line in lines if line["verb"] == "create" and PODS in line["uri"])
    assert annotations["pod-security.kubernetes.io/enforce-policy"] == "privileged:latest"
    assert annotations["pod-security.kubernetes.io/audit-violations"] == (
        'would violate PodSecurity "restricted:latest": forbidden sysctls (net.core.somaxconn, kernel.msgmax)'
    )
