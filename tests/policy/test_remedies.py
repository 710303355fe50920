"""The whole verdict over a pod, and the fixes that make it run: judged again after each of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.platform import Platform, pod_security
from podsysctl.policy.remedies import REMEDIES
from podsysctl.policy.remedy import Plan, find_remedies, new_pod
from podsysctl.policy.scc import admit
from podsysctl.policy.scc.constraint import Constraint
from podsysctl.policy.situation import Namespace, Node, Pool, Situation, TunedProfile
from podsysctl.policy.verdict import Gate, Outcome
from podsysctl.policy.whole import evaluate
from podsysctl.sysctls.catalogue import Access
from podsysctl.sysctls.catalogue import Namespace as KernelNamespace
from podsysctl.sysctls.kernel_facts import Fact, InPod, KernelFacts
from tests.policy.builders import container, pod, restricted_pod, with_sysctls
from tests.policy.shipped import SAFE, objects

RW = Access.READ_WRITE
NET, IPC, NODE = KernelNamespace.NET, KernelNamespace.IPC, KernelNamespace.NODE
KERNEL = KernelFacts(
    "6.18.44",
    {
        name: Fact(name, namespace, in_pod, RW)
        for name, namespace, in_pod in (
            ("net.core.somaxconn", NET, InPod.OWN),
            ("net.core.rmem_max", NODE, InPod.ABSENT),
            ("net.ipv4.ip_local_port_range", NET, InPod.OWN),
            ("net.ipv4.tcp_syncookies", NET, InPod.OWN),
            ("net.ipv4.conf.IFNAME.accept_redirects", NET, InPod.OWN),
            ("net.ipv4.conf.IFNAME.forwarding", NET, InPod.OWN),
            ("kernel.msgmax", IPC, InPod.OWN),
            ("kernel.shm_rmid_forced", IPC, InPod.OWN),
            ("vm.max_map_count", NODE, InPod.NODE),
        )
    },
)
CHAPTER = with_sysctls(restricted_pod(), "kernel.shm_rmid_forced", "net.core.somaxconn", "kernel.msgmax")
RANGES = {
    "openshift.io/sa.scc.uid-range": "1000660000/10000",
    "openshift.io/sa.scc.supplemental-groups": "1000660000/10000",
    "openshift.io/sa.scc.mcs": "s0:c26,c5",
}
BUILT_IN = "pools.operator.machineconfiguration.openshift.io/"
MASTER_TAINT = {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}


def node(name: str, pool: str, *allowed: str, taints: tuple[dict[str, str], ...] = ()) -> Node:
    """A node of a pool whose kubelet allows these sysctls."""
    labels = {f"node-role.kubernetes.io/{pool}": ""}
    facts = NodeFacts(
        name, "6.18.44", allowed=allowed, kernel=KERNEL, labels=labels, taints=taints, interfaces=("^x$",)
    )
    return Node(facts, pool)


def situation(target: dict[str, Any], **changes: Any) -> Situation:
    """An administrator's pod in a cluster of one master and two workers."""
    base = Situation(
        pod=target,
        namespace=Namespace("demo", {}, RANGES),
        constraints=tuple(Constraint.parse(obj) for obj in objects()),
        safe=SAFE,
        nodes=(node("m0", "master", taints=(MASTER_TAINT,)), node("w0", "worker"), node("w1", "worker")),
        pools={name: Pool(name, {f"{BUILT_IN}{name}": ""}) for name in ("master", "worker")},
    )
    return replace(base, **changes)


def plan_of(of: Situation) -> Plan:
    """The fixes of a situation."""
    return find_remedies(of, REMEDIES)


def by_kind(plan: Plan) -> dict[str, Any]:
    """The manifests by kind."""
    return {manifest["kind"]: manifest for manifest in plan.manifests}


def test_chapter_pod_is_stopped_by_the_kubelet_of_each_node_it_may_run_on() -> None:
    """Admission lets it in with a warning; both workers refuse, the master may not be chosen."""
    report = evaluate(situation(CHAPTER))
    assert [(v.gate, v.outcome) for v in report.admission] == [
        (Gate.VALIDATION, Outcome.ALLOWED),
        (Gate.CONSTRAINTS, Outcome.ALLOWED),
        (Gate.POD_SECURITY, Outcome.WARNED),
    ]
    assert [entry.eligible for entry in report.nodes] == [False, True, True]
    for entry in report.nodes:
        assert entry.first_refusal is not None
        assert entry.first_refusal.reason == 'forbidden sysctl: "net.core.somaxconn" not allowlisted'
    assert report.first_refusal is not None
    assert report.first_refusal.gate is Gate.KUBELET
    assert not report.runs


def test_chapter_pod_needs_one_kubelet_config_with_two_exact_names() -> None:
    """The pool is named by its built-in label; nothing of the pod changes."""
    plan = plan_of(situation(CHAPTER))
    assert plan.runs
    assert plan.pod is None
    assert list(plan.manifests) == [
        {
            "apiVersion": "machineconfiguration.openshift.io/v1",
            "kind": "KubeletConfig",
            "metadata": {"name": "sysctl-worker"},
            "spec": {
                "machineConfigPoolSelector": {"matchLabels": {f"{BUILT_IN}worker": ""}},
                "kubeletConfig": {"allowedUnsafeSysctls": ["kernel.msgmax", "net.core.somaxconn"]},
            },
        }
    ]
    assert plan.remedies[0].opens[0] == (
        "every pod on the 2 node(s) of pool worker that passes admission may set kernel.msgmax, net.core.somaxconn"
    )


def test_pool_without_built_in_label_is_labelled() -> None:
    """A custom pool has no label of its own that a selector could name."""
    pools = {"fast": Pool("fast")}
    plan = plan_of(situation(CHAPTER, nodes=(node("f0", "fast"),), pools=pools))
    kinds = by_kind(plan)
    labels = {"custom-kubelet": "sysctl-fast"}
    assert kinds["MachineConfigPool"]["metadata"] == {"name": "fast", "labels": labels}
    assert kinds["KubeletConfig"]["spec"]["machineConfigPoolSelector"] == {"matchLabels": labels}


def test_existing_kubelet_config_is_extended_and_keeps_its_list() -> None:
    """Several KubeletConfigs of a pool replace each other, so the one there is gets the longer list."""
    existing = {
        "metadata": {"name": "mine"},
        "spec": {
            "machineConfigPoolSelector": {"matchLabels": {"a": "b"}},
            "kubeletConfig": {"maxPods": 500, "allowedUnsafeSysctls": ["kernel.sem"]},
        },
    }
    pools = {"worker": Pool("worker", {}, existing)}
    plan = plan_of(situation(CHAPTER, nodes=(node("w0", "worker", "kernel.sem"),), pools=pools))
    assert list(by_kind(plan)) == ["KubeletConfig"]
    manifest = by_kind(plan)["KubeletConfig"]
    assert manifest["metadata"] == {"name": "mine"}
    assert manifest["spec"]["kubeletConfig"] == {
        "maxPods": 500,
        "allowedUnsafeSysctls": ["kernel.sem", "kernel.msgmax", "net.core.somaxconn"],
    }


def test_cluster_without_pools_gets_a_drop_in_file() -> None:
    """Plain Kubernetes has no operator that writes the kubelet's configuration."""
    plain = situation(
        CHAPTER,
        platform=Platform.KUBERNETES,
        security=pod_security(Platform.KUBERNETES),
        constraints=(),
        nodes=(replace(node("n0", ""), pool=""),),
        pools={},
    )
    plan = plan_of(plain)
    assert plan.runs
    assert plan.manifests == ()
    path, content = plan.remedies[0].files[0]
    assert path == "/etc/kubernetes/kubelet.conf.d/90-sysctls.conf"
    assert content.endswith('allowedUnsafeSysctls:\n  - "kernel.msgmax"\n  - "net.core.somaxconn"\n')


@pytest.mark.parametrize("name", ["vm.max_map_count", "net.core.rmem_max"])
def test_node_level_sysctl_moves_into_a_tuned_profile(name: str) -> None:
    """Also when the kubelet's prefix rule would let it through and the kernel not."""
    plan = plan_of(situation(with_sysctls(restricted_pod(), name, value="262144")))
    assert plan.runs
    tuned = by_kind(plan)["Tuned"]
    assert tuned["metadata"]["namespace"] == "openshift-cluster-node-tuning-operator"
    assert f"[sysctl]\n{name}=262144\n" in tuned["spec"]["profile"][0]["data"]
    assert tuned["spec"]["recommend"][0]["match"] == [{"label": "node-role.kubernetes.io/worker"}]
    assert "sysctls" not in by_kind(plan)["Pod"]["spec"]["securityContext"]


@pytest.mark.parametrize(
    ("profiles", "priorities", "include", "priority", "left"),
    [
        ((None, None), {}, "include=openshift-node\n", 20, ""),
        (("openshift-node", "openshift-node"), {"openshift-node": 40}, "include=openshift-node\n", 20, ""),
        (("machine-defaults", "machine-defaults"), {"machine-defaults": 40}, "", 20, ""),
        (("", ""), {}, "", 20, ""),
        (("database", "database"), {"database": 20}, "include=database\n", 19, ""),
        (("database", "database"), {"database": 0}, "include=database\n", 0, ""),
        (("database", "machine-defaults"), {"database": 25}, "", 20, "database"),
    ],
)
def test_tuned_profile_includes_what_the_nodes_have_now(
    profiles: tuple[str | None, str | None], priorities: dict[str, int], include: str, priority: int, left: str
) -> None:
    """Nothing else of the nodes changes: not on a machine that nobody tunes, and not where somebody does."""
    workers = (replace(node(f"w{i}", "worker"), tuned_profile=profile) for i, profile in enumerate(profiles))
    master = replace(node("m0", "master", taints=(MASTER_TAINT,)), tuned_profile="other")
    target = with_sysctls(restricted_pod(), "vm.max_map_count", value="262144")
    plan = plan_of(
        situation(
            target,
            nodes=(master, *workers),
            tuned_profiles={name: TunedProfile(priority=value) for name, value in priorities.items()},
        )
    )
    spec = by_kind(plan)["Tuned"]["spec"]
    assert spec["profile"][0]["data"] == (
        f"[main]\nsummary=Kernel parameters that p-sysctls needs\n{include}\n[sysctl]\nvm.max_map_count=262144\n"
    )
    assert spec["recommend"][0]["priority"] == priority
    assert [text for text in plan.remedies[0].opens if "without it" in text] == (
        [f"nodes that have profile {left} now get the new one instead, without it"] if left else []
    )


def test_tuned_applies_the_included_profile_as_before() -> None:
    """Whether host files win, and whether changed values are set back, stay as they were."""
    operand = {"tunedConfig": {"reapply_sysctl": False}}
    target = with_sysctls(restricted_pod(), "vm.max_map_count", value="262144")
    plan = plan_of(
        situation(
            target,
            nodes=(replace(node("w0", "worker"), tuned_profile="database"),),
            tuned_profiles={"database": TunedProfile("", 20, operand, corrects_drift=True)},
        )
    )
    made = by_kind(plan)["Tuned"]
    assert made["spec"]["recommend"][0]["operand"] == operand
    assert made["metadata"]["annotations"] == {"tuning.podsysctl.dev/correct-drift": "true"}


@pytest.mark.parametrize("include", ["", "include=database\n"])
def test_tuned_that_was_applied_before_is_printed_again(include: str) -> None:
    """A profile that included itself could not be loaded."""
    text = f"[main]\nsummary=Kernel parameters that p-sysctls needs\n{include}\n[sysctl]\nvm.max_map_count=262144\n"
    target = with_sysctls(restricted_pod(), "vm.max_map_count", value="262144")
    plan = plan_of(
        situation(
            target,
            nodes=(replace(node("w0", "worker"), tuned_profile="p-sysctls"),),
            tuned_profiles={"p-sysctls": TunedProfile(text, 19), "database": TunedProfile("", 20)},
        )
    )
    spec = by_kind(plan)["Tuned"]["spec"]
    assert spec["profile"][0]["data"] == text
    assert spec["recommend"][0]["priority"] == (19 if include else 20)


@pytest.mark.parametrize(
    ("values", "host_network", "host_ipc"),
    [
        ({"vm.max_map_count": "262144"}, None, None),
        ({"net.core.rmem_max": "8388608"}, True, None),
        ({"vm.max_map_count": "262144", "net.core.rmem_max": "8388608"}, True, None),
    ],
)
def test_node_level_sysctl_moves_into_a_daemon_set_without_tuned(
    values: dict[str, str], host_network: bool | None, host_ipc: bool | None
) -> None:
    """In the host's namespaces when the value lives in one; nothing privileged stays."""
    target = restricted_pod()
    target["spec"]["securityContext"]["sysctls"] = [{"name": n, "value": v} for n, v in values.items()]
    plan = plan_of(situation(target, has_tuned=False))
    assert plan.runs
    spec = by_kind(plan)["DaemonSet"]["spec"]["template"]["spec"]
    assert spec["initContainers"][0]["command"] == ["sysctl", "-w", *sorted(f"{n}={v}" for n, v in values.items())]
    assert (spec.get("hostNetwork"), spec.get("hostIPC")) == (host_network, host_ipc)
    assert all("securityContext" not in container for container in spec["containers"])
    assert spec["nodeSelector"] == {"node-role.kubernetes.io/worker": ""}


def test_host_network_pod_leaves_net_sysctls_to_the_node() -> None:
    """The API server refuses the combination; the node's own value is what such a pod sees."""
    target = with_sysctls(restricted_pod(hostNetwork=True), "net.ipv4.tcp_syncookies")
    message = "may not be specified when 'hostNetwork' is true"

    def validate(checked: Any) -> list[str]:
        return [message] if (checked["spec"].get("securityContext") or {}).get("sysctls") else []

    of = situation(target, validate=validate)
    assert evaluate(of).admission[0].reason == message
    plan = plan_of(of)
    assert plan.runs
    assert "net.ipv4.tcp_syncookies=1" in by_kind(plan)["Tuned"]["spec"]["profile"][0]["data"]
    assert by_kind(plan)["Pod"]["spec"]["hostNetwork"] is True


@pytest.mark.parametrize("name", ["net.ipv4.conf.net1.accept_redirects", "net.ipv4.conf.IFNAME.accept_redirects"])
def test_interface_sysctl_moves_into_a_network_attachment_definition(name: str) -> None:
    """The node's allowlist gets a line, and the pod an interface."""
    plan = plan_of(situation(with_sysctls(restricted_pod(), name)))
    assert plan.runs
    kinds = by_kind(plan)
    config = json.loads(kinds["NetworkAttachmentDefinition"]["spec"]["config"])
    assert config["plugins"][1] == {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.accept_redirects": "1"}}
    assert kinds["Pod"]["metadata"]["annotations"] == {"k8s.v1.cni.cncf.io/networks": "p-tuning"}
    assert "^net.ipv4.conf.IFNAME.accept_redirects$" in kinds["ConfigMap"]["data"]["allowlist.conf"].splitlines()


def test_interface_setting_of_the_first_interface_stays_in_the_pod() -> None:
    """eth0 exists when runc writes, so an entry of the kubelet's list is the smaller fix."""
    plan = plan_of(situation(with_sysctls(restricted_pod(), "net.ipv4.conf.eth0.forwarding")))
    assert plan.runs
    assert list(by_kind(plan)) == ["KubeletConfig"]


@pytest.mark.parametrize(
    ("text", "nearest"), [("0 99999999", "1 65535"), ("60999 32768", "32768 60999"), ("1 2 3", None), ("abc", None)]
)
def test_value_the_kernel_refuses_is_corrected_or_left_out(text: str, nearest: str | None) -> None:
    """The nearest value the kernel takes, when there is one."""
    plan = plan_of(situation(with_sysctls(restricted_pod(), "net.ipv4.ip_local_port_range", value=text)))
    assert plan.runs
    assert plan.pod is not None
    sysctls = plan.pod["spec"]["securityContext"].get("sysctls")
    assert sysctls == (None if nearest is None else [{"name": "net.ipv4.ip_local_port_range", "value": nearest}])


def plain(constraint: Constraint) -> str:
    """A user with what every authenticated user has."""
    return admit.FOR_USER if constraint.name in ("restricted-v2", "restricted-v3") else admit.FOR_NOBODY


def test_plain_user_gets_a_constraint_role_and_binding_then_the_kubelets_list() -> None:
    """The strictest shipped constraint that takes the pod's user, with exactly the names it needs."""
    plan = plan_of(situation(CHAPTER, usable=plain, subject="dev"))
    assert plan.runs
    assert [m["kind"] for m in plan.manifests] == [
        "SecurityContextConstraints", "ClusterRole", "RoleBinding", "KubeletConfig",
    ]  # fmt: skip
    constraint = plan.manifests[0]
    assert constraint["allowedUnsafeSysctls"] == ["kernel.msgmax", "net.core.somaxconn"]
    assert constraint["runAsUser"] == {"type": "MustRunAsNonRoot"}
    assert (constraint["users"], constraint["groups"], constraint["priority"]) == ([], [], None)
    assert plan.manifests[2]["subjects"] == [{"kind": "ServiceAccount", "name": "default", "namespace": "demo"}]


def test_plain_user_without_sysctls_gets_access_to_a_shipped_constraint() -> None:
    """No new constraint where one fits."""
    target = pod(containers=[container(securityContext={"runAsUser": 0})])
    plan = plan_of(situation(target, usable=plain))
    assert [m["kind"] for m in plan.manifests] == ["ClusterRole", "RoleBinding"]
    assert plan.manifests[0]["rules"][0]["resourceNames"] == ["anyuid"]


def test_enforced_level_is_met_by_completing_the_pod_when_that_is_enough() -> None:
    """Nothing is opened."""
    namespace = Namespace("demo", {"pod-security.kubernetes.io/enforce": "restricted"}, RANGES)
    plan = plan_of(situation(pod(), namespace=namespace))
    assert plan.runs
    assert list(by_kind(plan)) == ["Pod"]
    assert plan.pod is not None
    assert plan.pod["spec"]["securityContext"]["runAsNonRoot"] is True


def test_enforced_level_is_lowered_for_an_unsafe_sysctl() -> None:
    """Both levels forbid it, so the namespace has to be privileged; what that opens is said."""
    namespace = Namespace("demo", {"pod-security.kubernetes.io/enforce": "restricted"}, RANGES)
    plan = plan_of(situation(CHAPTER, namespace=namespace))
    assert plan.runs
    assert by_kind(plan)["Namespace"]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "privileged"}
    assert "hostNamespaces" in plan.remedies[0].opens[0]


def test_enforced_level_is_lowered_no_further_than_needed() -> None:
    """A pod of root that breaks nothing of baseline gets baseline."""
    namespace = Namespace("demo", {"pod-security.kubernetes.io/enforce": "restricted"}, RANGES)
    target = restricted_pod(containers=[container(securityContext={"runAsUser": 0})])
    plan = plan_of(situation(target, namespace=namespace))
    assert by_kind(plan)["Namespace"]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "baseline"}


def test_pod_is_steered_to_the_tainted_nodes_that_accept_it() -> None:
    """A pool for special sysctls is usually tainted."""
    taint = {"key": "sysctl", "value": "yes", "effect": "NoSchedule"}
    special = node("s0", "special", "kernel.msg*", "net.core.somaxconn", taints=(taint,))
    plan = plan_of(situation(CHAPTER, nodes=(special,), pools={"special": Pool("special")}))
    assert plan.runs
    assert plan.pod is not None
    assert plan.pod["spec"]["tolerations"] == [
        {"key": "sysctl", "operator": "Equal", "effect": "NoSchedule", "value": "yes"}
    ]
    assert plan.pod["spec"]["nodeSelector"] == {"node-role.kubernetes.io/special": ""}


@pytest.mark.parametrize(
    "key",
    [
        "node.kubernetes.io/not-ready",
        "node.cloudprovider.kubernetes.io/uninitialized",
        "node-role.kubernetes.io/master",
    ],
)
def test_no_toleration_for_a_node_that_is_not_well(key: str) -> None:
    """Such a taint says something of the node, and goes by itself: a pod that tolerates it would still not run well."""
    taint = {"key": key, "effect": "NoSchedule"}
    special = node("s0", "special", "kernel.msg*", "net.core.somaxconn", taints=(taint,))
    plan = plan_of(situation(CHAPTER, nodes=(special,), pools={"special": Pool("special")}))
    assert plan.pod is None or "tolerations" not in plan.pod["spec"]


def test_misspelt_and_repeated_names_are_corrected() -> None:
    """Capital letters and the same name twice are refused by the API server."""
    target = with_sysctls(restricted_pod(), "Net.Core.Somaxconn", "kernel.shm_rmid_forced", "kernel.shm_rmid_forced")

    def validate(checked: Any) -> list[str]:
        names = [s["name"] for s in checked["spec"]["securityContext"]["sysctls"]]
        return ["bad"] if len(set(names)) != len(names) or any(n != n.lower() for n in names) else []

    plan = plan_of(situation(target, validate=validate))
    assert plan.runs
    assert plan.pod is not None
    names = [s["name"] for s in plan.pod["spec"]["securityContext"]["sysctls"]]
    assert names == ["net.core.somaxconn", "kernel.shm_rmid_forced"]


def test_pod_that_runs_needs_nothing() -> None:
    """No fix without a problem."""
    plan = plan_of(situation(restricted_pod()))
    assert (plan.runs, plan.remedies, plan.manifests) == (True, (), ())


def test_problem_without_a_known_fix_ends_the_plan() -> None:
    """What nobody can mend is said and not looped over."""
    plan = plan_of(situation(pod(), validate=lambda _: ["broken"]))
    assert not plan.runs
    assert plan.remedies == ()


def test_new_pod_drops_what_the_server_added() -> None:
    """A pod read from a cluster becomes a manifest again."""
    stored = restricted_pod(
        nodeName="w0",
        volumes=[{"name": "kube-api-access-abc", "projected": {}}],
    )
    stored["spec"]["containers"][0]["volumeMounts"] = [{"name": "kube-api-access-abc", "mountPath": "/var/run"}]
    stored["metadata"] |= {"uid": "u", "annotations": {"openshift.io/scc": "anyuid"}}
    stored["status"] = {"phase": "Failed"}
    assert new_pod(stored) == restricted_pod()


@pytest.mark.parametrize(
    ("spec", "labels", "taints", "eligible"),
    [
        ({}, {}, (), True),
        ({"nodeSelector": {"a": "b"}}, {}, (), False),
        ({"nodeSelector": {"a": "b"}}, {"a": "b"}, (), True),
        ({"nodeName": "other"}, {}, (), False),
        ({"nodeName": "n"}, {}, ({"key": "k", "effect": "NoSchedule"},), True),
        ({}, {}, ({"key": "k", "effect": "PreferNoSchedule"},), True),
        ({}, {}, ({"key": "k", "effect": "NoExecute"},), False),
        ({"tolerations": [{"operator": "Exists"}]}, {}, ({"key": "k", "effect": "NoSchedule"},), True),
        ({"tolerations": [{"key": "k", "value": "x"}]}, {}, ({"key": "k", "effect": "NoSchedule"},), False),
    ],
)
def test_scheduling_follows_selectors_and_taints(
    spec: dict[str, Any], labels: dict[str, str], taints: tuple[dict[str, str], ...], eligible: bool
) -> None:
    """As the scheduler filters."""
    of = Node(NodeFacts("n", "6.18", allowed=(), kernel=KERNEL, labels=labels, taints=taints))
    report = evaluate(situation(restricted_pod(**spec), nodes=(of,)))
    assert report.nodes[0].eligible is eligible


@pytest.mark.parametrize(
    ("operator", "values", "eligible"),
    [
        ("In", ["b"], True),
        ("NotIn", ["b"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["1"], False),
        ("Lt", ["x"], False),
    ],
)
def test_scheduling_follows_required_affinity(operator: str, values: list[str], eligible: bool) -> None:
    """Every operator of node affinity."""
    term = {"matchExpressions": [{"key": "a", "operator": operator, "values": values}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    of = Node(NodeFacts("n", "6.18", allowed=(), kernel=KERNEL, labels={"a": "b"}))
    report = evaluate(situation(restricted_pod(affinity={"nodeAffinity": required}), nodes=(of,)))
    assert report.nodes[0].eligible is eligible
