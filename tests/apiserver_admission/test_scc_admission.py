"""SecurityContextConstraints inside a running API server: pods, access, objects, namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver_admission.conftest import Api
from tests.apiserver_admission.test_pod_security_admission import chapter, named
from tests.policy.builders import pod

SCC = "/apis/security.openshift.io/v1/securitycontextconstraints"
PODS = "/api/v1/namespaces/demo/pods"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def allow_pods(api: Api, user: str) -> None:
    """Let a user do everything with pods in the namespace `demo`."""
    role: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "pods"},
        "rules": [{"apiGroups": [""], "resources": ["pods", "pods/exec", "pods/attach"], "verbs": ["*"]}],
    }
    await api.create(f"{RBAC}/namespaces/demo/roles", role)
    await bind(api, user, "Role", "pods")


async def bind(api: Api, user: str, kind: str, role: str, *, subject: str = "User") -> None:
    """Give a user or group a role in the namespace `demo`."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{user.replace(':', '-')}-{role.rpartition(':')[2]}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": subject, "name": user}],
    }
    reply = await api.create(f"{RBAC}/namespaces/demo/rolebindings", binding)
    assert reply.code == 201, reply.message


async def test_shipped_constraints_and_roles_are_there(openshift: Api) -> None:
    """Eleven constraints, each with its role."""
    names = [item["metadata"]["name"] for item in (await openshift.call("GET", SCC)).body["items"]]
    assert len(names) == 11
    for name in names:
        reply = await openshift.call("GET", f"{RBAC}/clusterroles/system:openshift:scc:{name}")
        assert reply.code == 200, reply.message


async def test_namespace_has_its_ranges_at_once(openshift: Api) -> None:
    """Two namespaces never get the same block."""
    first = (await openshift.namespace("one")).body["metadata"]["annotations"]
    second = (await openshift.namespace("two")).body["metadata"]["annotations"]
    assert first["openshift.io/sa.scc.uid-range"] != second["openshift.io/sa.scc.uid-range"]
    assert first["openshift.io/sa.scc.mcs"].startswith("s0:c")


async def test_controllers_keep_all_objects_and_may_use_no_constraint(openshift: Api) -> None:
    """A workload's privileged pod is admitted by its own service account's rights, never by the controller's."""
    await openshift.namespace("demo")
    controllers = openshift.as_user("system:kube-controller-manager")
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
    assert (await controllers.create("/api/v1/namespaces/demo/configmaps", config_map)).code == 201
    target = named(pod(), "p")
    target["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    target["spec"]["serviceAccountName"] = "default"
    refused = await controllers.create(PODS, target)
    assert refused.code == 403
    assert 'provider "privileged": Forbidden: not usable by user or serviceaccount' in refused.message
    account = {"kind": "ServiceAccount", "name": "default", "namespace": "demo"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:openshift:scc:privileged"}
    binding = {"metadata": {"name": "setter"}, "roleRef": role, "subjects": [account]}
    assert (await openshift.create(f"{RBAC}/namespaces/demo/rolebindings", binding)).code == 201
    admitted = await controllers.create(PODS, target)
    assert admitted.body["metadata"]["annotations"]["openshift.io/scc"] == "privileged"
    subject = admitted.body["metadata"]["annotations"]["security.openshift.io/validated-scc-subject-type"]
    assert subject == "serviceaccount"


async def test_plain_users_pod_is_completed_by_restricted_v2(openshift: Api) -> None:
    """User, group, level and seccomp profile come from the namespace."""
    await openshift.namespace("demo")
    await allow_pods(openshift, "dev")
    reply = await openshift.as_user("dev").create(PODS, named(pod(), "p"))
    assert reply.code == 201, reply.message
    annotations = reply.body["metadata"]["annotations"]
    assert annotations["openshift.io/scc"] == "restricted-v2"
    assert annotations["security.openshift.io/validated-scc-subject-type"] == "user"
    assert reply.body["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert reply.warnings == []


async def test_service_account_counts_for_what_is_its_own(openshift: Api) -> None:
    """What every authenticated user may use is the user's, what service accounts may use is the account's."""
    await openshift.namespace("demo")
    await allow_pods(openshift, "dev")
    await bind(openshift, "system:serviceaccounts:demo", "ClusterRole", "system:openshift:scc:anyuid", subject="Group")
    reply = await openshift.as_user("dev").create(PODS, named(pod(), "p"))
    annotations = reply.body["metadata"]["annotations"]
    assert annotations["openshift.io/scc"] == "anyuid"
    assert annotations["security.openshift.io/validated-scc-subject-type"] == "serviceaccount"


async def test_plain_users_unsafe_sysctl_is_refused_until_the_constraint_is_granted(openshift: Api) -> None:
    """A constraint of one's own, allowed to one user by RBAC, is enough."""
    await openshift.namespace("demo")
    await allow_pods(openshift, "dev")
    dev = openshift.as_user("dev")
    target = chapter()
    target["spec"]["containers"][0]["securityContext"].pop("runAsUser")
    refused = await dev.create(PODS, target)
    assert refused.code == 403
    assert refused.message.startswith(
        'pods "sysctl-example-unsafe" is forbidden: unable to validate against any security context constraint:'
        ' [provider "anyuid": Forbidden: not usable by user or serviceaccount, pod.spec.securityContext.sysctls[1]:'
        ' Forbidden: unsafe sysctl "net.core.somaxconn" is not allowed, '
    )
    base = (await openshift.call("GET", f"{SCC}/restricted-v2")).body
    custom = {key: value for key, value in base.items() if key != "metadata"}
    custom |= {"metadata": {"name": "tuned"}, "allowedUnsafeSysctls": ["kernel.msg*", "net.core.somaxconn"]}
    assert (await openshift.create(SCC, custom)).code == 201
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "use-tuned"},
        "rules": [
            {
                "apiGroups": ["security.openshift.io"],
                "resources": ["securitycontextconstraints"],
                "resourceNames": ["tuned"],
                "verbs": ["use"],
            }
        ],
    }
    await openshift.create(f"{RBAC}/clusterroles", role)
    await bind(openshift, "dev", "ClusterRole", "use-tuned")
    admitted = await dev.create(PODS, target)
    assert admitted.code == 201, admitted.message
    assert admitted.body["metadata"]["annotations"]["openshift.io/scc"] == "tuned"


async def test_administrators_unsafe_sysctls_are_admitted_by_privileged(openshift: Api) -> None:
    """Which sets nothing in the pod."""
    await openshift.namespace("demo")
    reply = await openshift.create(PODS, chapter())
    assert reply.body["metadata"]["annotations"]["openshift.io/scc"] == "privileged"
    assert "seLinuxOptions" not in reply.body["spec"]["securityContext"]


@pytest.mark.parametrize(
    ("required", "text"),
    [
        (
            "nope",
            'failed to retrieve the required SCC "nope": securitycontextconstraints.security.openshift.io "nope"'
            " not found",
        ),
        ("restricted-v3", "Host Users must be set to false"),
    ],
)
async def test_required_constraint_is_the_only_one_asked(openshift: Api, required: str, text: str) -> None:
    """An annotation of the pod names it."""
    await openshift.namespace("demo")
    target = named(pod(), "p")
    target["metadata"]["annotations"] = {"openshift.io/required-scc": required}
    reply = await openshift.create(PODS, target)
    assert reply.code == 403
    assert text in reply.message


async def test_label_change_of_a_pod_passes_and_required_constraint_stays(openshift: Api) -> None:
    """An update is judged by what admitted the pod; its required constraint may not change."""
    await openshift.namespace("demo")
    await openshift.create(PODS, named(pod(), "p"))
    patch = {"metadata": {"labels": {"a": "b"}}}
    reply = await openshift.call("PATCH", f"{PODS}/p", patch, "application/merge-patch+json")
    assert reply.code == 200, reply.message
    patch = {"metadata": {"annotations": {"openshift.io/required-scc": "privileged"}}}
    reply = await openshift.call("PATCH", f"{PODS}/p", patch, "application/merge-patch+json")
    assert reply.message == (
        'pods "p" is forbidden: invalid change of required security context constraint annotation:'
        " openshift.io/required-scc"
    )


@pytest.mark.parametrize("name", ["default", "kube-system"])
async def test_platform_namespaces_are_left_alone(openshift: Api, name: str) -> None:
    """No constraint touches a pod there."""
    reply = await openshift.create(f"/api/v1/namespaces/{name}/pods", named(pod(), "p"))
    assert reply.code == 201, reply.message
    assert "openshift.io/scc" not in reply.body["metadata"].get("annotations", {})


async def test_kubernetes_platform_has_no_constraints(kubernetes: Api) -> None:
    """Neither objects nor defaults."""
    await kubernetes.namespace("demo")
    reply = await kubernetes.create(PODS, named(pod(), "p"))
    assert reply.code == 201, reply.message
    assert "annotations" not in reply.body["metadata"]
    assert (await kubernetes.call("GET", SCC)).body["items"] == []


async def test_constraint_object_is_completed_and_checked(openshift: Api) -> None:
    """Old clients may leave out what the schema demands; contradictions are refused."""
    own = {
        "apiVersion": "security.openshift.io/v1",
        "kind": "SecurityContextConstraints",
        "metadata": {"name": "own"},
        "runAsUser": {"type": "RunAsAny"},
        "seLinuxContext": {"type": "RunAsAny"},
    }
    created = await openshift.create(SCC, own)
    assert created.code == 201, created.message
    assert created.body["allowPrivilegeEscalation"] is True
    assert "hostPath" not in created.body["volumes"]
    own["metadata"] = {"name": "bad"}
    refused = await openshift.create(SCC, {**own, "allowedUnsafeSysctls": ["kernel/msg*"]})
    assert refused.code == 422
    assert refused.message.startswith(
        'SecurityContextConstraints.security.openshift.io "bad" is invalid: allowedUnsafeSysctls[0]: Invalid value:'
    )
    wrong = await openshift.create(SCC, {**own, "volumes": "all"})
    assert wrong.code == 422


@pytest.mark.parametrize("subresource", ["exec", "attach"])
async def test_exec_needs_rights_for_the_pods_constraint(openshift: Api, subresource: str) -> None:
    """Who could not have made the pod does not get into it; into a pod of one's own one does."""
    await openshift.namespace("demo")
    await allow_pods(openshift, "dev")
    privileged = named(pod(), "strong")
    privileged["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    assert (await openshift.create(PODS, privileged)).code == 201
    dev = openshift.as_user("dev")
    refused = await dev.call("POST", f"{PODS}/strong/{subresource}?command=id")
    assert refused.code == 403
    assert refused.message.startswith(
        f'pods "strong" is forbidden: {subresource} operation is not allowed because the pod\'s security context'
        ' exceeds your permissions: pods "strong" is forbidden: unable to validate against any security context'
        " constraint: ["
    )
    assert (await dev.create(PODS, named(pod(), "own"))).code == 201
    for client, name in ((dev, "own"), (openshift, "strong")):
        passed = await client.call("POST", f"{PODS}/{name}/{subresource}?command=id")
        assert "exceeds your permissions" not in passed.message
        assert passed.code == 400
