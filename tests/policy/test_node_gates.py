"""What a node publishes, what it does with a pod's sysctls, and how well it suits a pod."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from podsysctl.base.errors import CatalogueError
from podsysctl.policy import node_facts, node_gates, placement
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.runtime import Runtime
from podsysctl.policy.verdict import Gate, Outcome
from podsysctl.sysctls.catalogue import Access, Namespace
from podsysctl.sysctls.kernel_facts import Fact, InPod, KernelFacts
from tests.policy.builders import pod, restricted_pod, with_sysctls
from tests.policy.test_interface import KEY, definition

RW = Access.READ_WRITE
KERNEL = KernelFacts(
    "6.18.44",
    {
        "net.core.somaxconn": Fact("net.core.somaxconn", Namespace.NET, InPod.OWN, RW, False),
        "net.core.rmem_max": Fact("net.core.rmem_max", Namespace.NODE, InPod.ABSENT, RW),
        "kernel.msgmax": Fact("kernel.msgmax", Namespace.IPC, InPod.OWN, RW, True),
        "kernel.shm_rmid_forced": Fact("kernel.shm_rmid_forced", Namespace.IPC, InPod.OWN, RW),
    },
)
CHAPTER = with_sysctls(restricted_pod(), "kernel.shm_rmid_forced", "net.core.somaxconn", "kernel.msgmax")


def node(*allowed: str, **fields: Any) -> NodeFacts:
    """A node whose kubelet allows these unsafe sysctls."""
    return NodeFacts("worker-0", "6.18.44", allowed=allowed, kernel=KERNEL, **fields)


def as_object(facts: NodeFacts) -> dict[str, Any]:
    """The Node object that such a node writes."""
    return {
        "metadata": {"name": facts.name, "annotations": facts.to_annotations()},
        "status": {"nodeInfo": {"kernelVersion": "6.18.44", "kubeletVersion": "v1.36.2"}},
    }


def test_node_facts_survive_the_node_object() -> None:
    """What is written is what is read."""
    facts = node("net.*", runtime=Runtime.CRUN, defaults={"net.core.somaxconn": "7"}, interfaces=("^a$",))
    assert NodeFacts.from_node(as_object(facts)) == replace(facts, is_agent=True, user_namespaces=False)


def test_node_facts_of_a_foreign_node_come_from_its_status() -> None:
    """A kubelet publishes versions and no allowlist."""
    foreign = {
        "metadata": {"name": "n"},
        "status": {
            "nodeInfo": {
                "kernelVersion": "5.14.0-427.el9",
                "kubeletVersion": "v1.29.3",
                "containerRuntimeVersion": "cri-o://1.29.1",
            }
        },
    }
    facts = NodeFacts.from_node(foreign)
    assert (facts.release, facts.kubelet_minor, facts.runtime) == ("5.14.0-427.el9", 29, Runtime.CRIO)
    assert facts.allowlist() is None
    report = node_gates.evaluate(CHAPTER, facts)[1]
    assert report.verdicts[0].outcome is Outcome.UNKNOWN
    assert report.accepted is None


@pytest.mark.parametrize(
    "annotation",
    ["{", "[]", '{"format":2}', '{"format":1,"allowedUnsafeSysctls":"x"}', '{"format":1,"runtime":"x"}', "[" * 5000],
)
def test_node_facts_that_are_broken_count_as_unknown(annotation: str) -> None:
    """Whatever stands in an annotation, reading it never fails."""
    facts = NodeFacts.from_node({"metadata": {"annotations": {node_facts.GATES: annotation, node_facts.KERNEL: "!"}}})
    assert facts.allowed is None
    assert facts.kernel is None


def test_packed_kernel_facts_are_bounded() -> None:
    """A small text that unpacks to a large one is refused."""
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(b" " * 3_000_000)).decode()
    with pytest.raises(CatalogueError, match="more than"):
        node_facts.unpack(bomb)
    assert node_facts.unpack(node_facts.pack(KERNEL)) == KERNEL


def test_allowlist_that_stops_a_kubelet_counts_as_unknown() -> None:
    """Such a node has no kubelet that could answer."""
    assert node("vm.*").allowlist() is None


def test_chapter_pod_is_refused_by_the_kubelet_of_a_default_node() -> None:
    """Runtime and kernel would take both values; only the allowlist stands in the way."""
    reports = node_gates.evaluate(CHAPTER, node())
    assert [r.accepted for r in reports] == [True, False, False]
    somaxconn = reports[1]
    assert [v.gate for v in somaxconn.verdicts] == [Gate.KUBELET, Gate.RUNTIME, Gate.KERNEL]
    assert somaxconn.verdicts[0].reason == 'forbidden sysctl: "net.core.somaxconn" not allowlisted'
    assert somaxconn.effective == ""
    assert reports[0].verdicts[0].rule == "safe list: kernel.shm_rmid_forced"


def test_chapter_pod_runs_on_the_node_that_allows_it() -> None:
    """The rule that decided is the entry of the list."""
    reports = node_gates.evaluate(CHAPTER, node("kernel.msg*", "net.core.somaxconn"))
    assert [r.accepted for r in reports] == [True, True, True]
    assert reports[2].verdicts[0].rule == "allowedUnsafeSysctls: kernel.msg*"
    assert reports[2].effective == "1"


def test_name_that_passes_the_kubelet_may_fail_in_the_kernel() -> None:
    """net.* admits net.core.rmem_max, which no pod can have."""
    report = node_gates.evaluate(with_sysctls(pod(), "net.core.rmem_max"), node("net.*"))[0]
    assert [v.outcome for v in report.verdicts] == [Outcome.ALLOWED, Outcome.ALLOWED, Outcome.REFUSED]


def test_default_of_the_node_is_reported_without_the_kubelets_gate() -> None:
    """What the node adds needs no allowlist."""
    report = node_gates.evaluate(pod(), node(defaults={"net.core.somaxconn": "9"}))[0]
    assert [v.gate for v in report.verdicts] == [Gate.RUNTIME, Gate.KERNEL]
    assert report.effective == "9"


def test_interfaces_are_judged_by_the_nodes_allowlist() -> None:
    """Definition by definition, argument by argument."""
    target = pod()
    target["metadata"]["annotations"] = {
        "k8s.v1.cni.cncf.io/networks": json.dumps(
            [{"name": "n", "cni-args": {"sysctl": {"net.ipv4.conf.IFNAME.forwarding": "1"}}}, {"name": "gone"}]
        )
    }
    known = [definition({"type": "tuning", "sysctl": {KEY: "1"}})]
    verdicts = node_gates.evaluate_interfaces(target, node(interfaces=(f"^{KEY}$",)), known)
    assert [v.outcome for v in verdicts] == [Outcome.ALLOWED, Outcome.REFUSED, Outcome.UNKNOWN]
    target["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": "a/b/c"}
    assert node_gates.evaluate_interfaces(target, node(), known)[0].outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("target", "facts", "expected"),
    [
        (pod(), node(), 100),
        (CHAPTER, node("kernel.msg*", "net.core.somaxconn"), 100),
        (CHAPTER, node("net.core.somaxconn"), 0),
        (CHAPTER, node(), 0),
        (with_sysctls(pod(), "kernel.msgmax"), node(), 0),
        (with_sysctls(pod(), "kernel.msgmax"), NodeFacts("n"), 50),
        (with_sysctls(pod(), "kernel.msgmax"), NodeFacts("n", allowed=("kernel.msg*",)), 100),
        (with_sysctls(pod(), "net.core.future"), NodeFacts("n", allowed=("net.*",)), 75),
    ],
)
def test_placement_score_prefers_nodes_that_accept(target: dict[str, Any], facts: NodeFacts, expected: int) -> None:
    """One refusal is as bad as many; what is unknown lies between."""
    assert placement.score(target, facts) == expected


def test_placement_score_reads_a_node_object() -> None:
    """The scheduler hands in what the API gave it."""
    assert placement.score(CHAPTER, as_object(node("kernel.msg*", "net.core.somaxconn"))) == 100


def test_interfaces_definition_whose_name_is_no_text_is_not_the_one_that_is_wanted() -> None:
    """Files may hold anything: a network definition without a name that can be asked for counts as not there."""
    target = with_sysctls(pod(), "net.core.somaxconn")
    target["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": "n"}
    strange: tuple[dict[str, Any], ...] = ({"metadata": {"name": []}}, {"metadata": {"name": "n", "namespace": {}}})
    verdicts = node_gates.evaluate_interfaces(target, node(), (strange[0],))
    assert [verdict.outcome for verdict in verdicts] == [Outcome.UNKNOWN]
    node_gates.evaluate_interfaces(target, node(), strange)
