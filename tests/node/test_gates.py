"""Admission of pods by the node: order of the gates and the kubelet's texts."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import podsysctl.node as node_package
from podsysctl.base.errors import UsageError
from podsysctl.base.versions import KernelVersion
from podsysctl.node import gates
from podsysctl.node.agent import parse_allowlist
from podsysctl.node.config import AgentConfig, KubeletConfiguration
from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.kubelet import Allowlist
from podsysctl.policy.scheduling.podinfo import PodInfo
from tests.node.builders import container, pod

SAFE = Allowlist.parse((), KernelVersion(6, 1))


def _view(**fields: object) -> NodeView:
    return NodeView(**{"allowlist": SAFE, "node_name": "node1", **fields})  # type: ignore[arg-type]


def _sysctl(name: str) -> dict[str, object]:
    return {"sysctls": [{"name": name, "value": "1"}]}


def test_admit_unsafe_sysctl_is_forbidden() -> None:
    """The first sysctl outside the list refuses the pod, in the measured words."""
    rejection = gates.admit(pod(securityContext=_sysctl("net.core.somaxconn")), _view())
    assert rejection == Rejection("SysctlForbidden", 'forbidden sysctl: "net.core.somaxconn" not allowlisted')


def test_admit_safe_or_allowed_sysctl_passes() -> None:
    """A safe sysctl passes, and an unsafe one when the node allows it."""
    assert gates.admit(pod(securityContext=_sysctl("net.ipv4.tcp_syncookies")), _view()) is None
    wide = Allowlist.parse(("net.core.*",), KernelVersion(6, 1))
    assert gates.admit(pod(securityContext=_sysctl("net.core.somaxconn")), _view(allowlist=wide)) is None


def test_admit_sysctl_is_decided_before_everything_else() -> None:
    """A pod with two faults is refused for its sysctl: that gate comes first."""
    subject = pod(securityContext=_sysctl("kernel.msgmax"), nodeSelector={"disk": "ssd"})
    rejection = gates.admit(subject, _view())
    assert rejection is not None
    assert rejection.reason == "SysctlForbidden"


def test_sysctl_forbidden_is_named_in_one_file_only() -> None:
    """Only gates/sysctl.py defines the reason SysctlForbidden."""
    root = Path(node_package.__file__).parent
    named = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for entry in ast.walk(ast.parse(path.read_text()))
        if isinstance(entry, ast.Constant) and entry.value == "SysctlForbidden"
    ]
    assert named == ["gates/sysctl.py"]


def test_admit_node_selector_mismatch_is_refused() -> None:
    """A pod put on the wrong node by name is refused with the scheduler's words."""
    rejection = gates.admit(pod(nodeSelector={"disk": "ssd"}), _view(labels={"disk": "hdd"}))
    text = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert rejection == Rejection("NodeAffinity", text)


def test_admit_another_operating_system_is_refused() -> None:
    """By the pod's label, whatever the node's says; its nodeSelector is the gate of affinity's business."""
    other = pod()
    other["metadata"]["labels"] = {"kubernetes.io/os": "windows"}
    rejection = gates.admit(other, _view(labels={"kubernetes.io/os": "windows"}))
    text = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
    assert rejection == Rejection("PodOSSelectorNodeLabelDoesNotMatch", text)
    selecting = pod(nodeSelector={"kubernetes.io/os": "windows"})
    rejection = gates.admit(selecting, _view(labels={"kubernetes.io/os": "linux"}))
    assert rejection is not None
    assert rejection.reason == "NodeAffinity"
    rejection = gates.admit(pod(os={"name": "windows"}), _view())
    assert rejection == Rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")


def test_admit_required_affinity_terms_are_alternatives() -> None:
    """One matching term of the required node affinity suffices."""
    terms = [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]},
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node1"]}]},
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    subject = pod(affinity={"nodeAffinity": required})
    assert gates.admit(subject, _view()) is None
    rejection = gates.admit(subject, _view(node_name="node2"))
    assert rejection is not None
    assert rejection.reason == "NodeAffinity"


def test_admit_no_execute_taint_refuses_and_no_schedule_does_not() -> None:
    """Only NoExecute taints count on the node; NoSchedule ones are the scheduler's."""
    taint = {"key": "k", "value": "v", "effect": "NoExecute"}
    rejection = gates.admit(pod(), _view(taints=[taint]))
    text = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
    assert rejection == Rejection("TaintToleration", text)
    assert gates.admit(pod(), _view(taints=[{**taint, "effect": "NoSchedule"}])) is None
    tolerated = pod(tolerations=[{"key": "k", "operator": "Exists"}])
    assert gates.admit(tolerated, _view(taints=[taint])) is None


def test_admit_last_free_processor_part_decides() -> None:
    """What exactly fits is admitted, one thousandth more is not."""
    half = pod(container(resources={"requests": {"cpu": "500m"}}))
    more = pod(container(resources={"requests": {"cpu": "501m"}}))
    view = _view(allocatable={"cpu": 1000}, active_pods=[PodInfo(half)])
    assert gates.admit(half, view) is None
    text = "Node didn't have enough resource: cpu, requested: 501, used: 500, capacity: 1000"
    assert gates.admit(more, view) == Rejection("OutOfcpu", text)


def test_admit_pod_count_is_bounded() -> None:
    """A node with maxPods pods takes no more."""
    rejection = gates.admit(pod(), _view(allocatable={"pods": 1}, active_pods=[PodInfo(pod())]))
    text = "Node didn't have enough resource: pods, requested: 1, used: 1, capacity: 1"
    assert rejection == Rejection("OutOfpods", text)


def test_admit_host_port_in_use_is_refused() -> None:
    """Two pods of one node cannot have the same host port and protocol."""
    port = {"containerPort": 80, "hostPort": 8080}
    view = _view(active_pods=[PodInfo(pod(container(ports=[port])))])
    rejection = gates.admit(pod(container(ports=[port])), view)
    assert rejection is not None
    assert rejection.reason == "NodePorts"
    assert gates.admit(pod(container(ports=[{**port, "protocol": "UDP"}])), view) is None


def test_pod_requests_take_the_larger_of_init_and_regular() -> None:
    """Init containers run alone, sidecars beside everything after them."""
    subject = pod(
        container(resources={"requests": {"cpu": "100m"}}),
        initContainers=[
            container("side", restartPolicy="Always", resources={"requests": {"cpu": "50m"}}),
            container("init", resources={"requests": {"cpu": "300m", "memory": "1Mi"}}),
        ],
    )
    assert PodInfo(subject).requests == {"cpu": 350, "memory": 1048576}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("kernel.*", 'the sysctls "kernel." are not known to be namespaced'),
        ("*", 'the sysctls "" are not known to be namespaced'),
        (
            "net.a*b",
            'sysctl "net.a*b" must have at most 253 characters and match regex '
            r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]",
        ),
    ],
)
def test_parse_allowlist_bad_pattern_stops_the_agent(pattern: str, text: str, tmp_path: Path) -> None:
    """A node with a pattern that is not namespaced or not well-formed does not start, and says so as a kubelet."""
    kubelet = KubeletConfiguration(allowed_unsafe_sysctls=(pattern,))
    with pytest.raises(UsageError) as caught:
        parse_allowlist(AgentConfig("node1", tmp_path, kubelet=kubelet), "6.1.0")
    assert caught.value.message == f"failed to run Kubelet: failed to create kubelet: {text}"


@pytest.mark.parametrize("kind", ["RuntimeDefault", "Localhost"])
@pytest.mark.parametrize("where", ["pod", "container", "annotation"])
def test_admit_app_armor_profile_without_app_armor_is_refused(kind: str, where: str) -> None:
    """A profile that the host cannot enforce refuses the pod, wherever it stands; Unconfined asks for nothing."""

    def subject(kind: str) -> dict[str, Any]:
        context = {"securityContext": {"appArmorProfile": {"type": kind, "localhostProfile": "p"}}}
        if where == "pod":
            return pod(**context)
        if where == "container":
            return pod(container(**context))
        value = {"RuntimeDefault": "runtime/default", "Localhost": "localhost/p"}.get(kind, "unconfined")
        made = pod()
        made["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/c": value}
        return made

    text = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
    assert gates.admit(subject(kind), _view()) == Rejection("AppArmor", text)
    assert gates.admit(subject(kind), _view(has_app_armor=True)) is None
    assert gates.admit(subject("Unconfined"), _view()) is None


def test_admit_app_armor_profile_of_a_pod_that_runs_is_not_asked_for_again() -> None:
    """An agent that starts anew looks at pods that have not started only."""
    subject = pod(securityContext={"appArmorProfile": {"type": "RuntimeDefault"}})
    subject["status"]["phase"] = "Running"
    assert gates.admit(subject, _view()) is None


def test_admit_strict_groups_policy_needs_a_runtime_that_knows_it() -> None:
    """A runtime that does not know the policy would merge the image's groups in; Merge is what it does anyway."""
    strict, merge = (pod(securityContext={"supplementalGroupsPolicy": policy}) for policy in ("Strict", "Merge"))
    text = "SupplementalGroupsPolicy=Strict is not supported in this node"
    assert gates.admit(strict, _view()) == Rejection("SupplementalGroupsPolicyNotSupported", text)
    assert gates.admit(strict, _view(has_groups_policy=True)) is None
    assert gates.admit(merge, _view()) is None
