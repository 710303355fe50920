"""Every gate over the chapter's unsafe pod, in this process, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from bench import Row
from podsysctl.apiserver import shipped_files
from podsysctl.base.versions import KUBERNETES_MINOR, KernelVersion
from podsysctl.objects.defaults import apply_defaults
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.objects.validation import validate
from podsysctl.policy import node_gates, platform, pod_gates
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.platform import Platform
from podsysctl.policy.scc import admit, ordering
from podsysctl.policy.scc.constraint import Constraint
from podsysctl.policy.scc.namespace_range import NamespaceRanges
from podsysctl.policy.scc.provider import Provider
from podsysctl.policy.scheduling import gate as scheduling
from podsysctl.policy.scheduling.nodeinfo import Cluster
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.sysctls import safe

HELP = "gates: all of them over the chapter's unsafe pod, fastest round"

PODS = 1000
ROUNDS = 20
_POD = Path(__file__).resolve().parents[1] / "examples" / "chapter" / "sysctl-example-unsafe.yaml"
_KIND = builtin_by_resource("", "v1", "pods")
_ANNOTATIONS = {
    "openshift.io/sa.scc.uid-range": "1000680000/10000",
    "openshift.io/sa.scc.supplemental-groups": "1000680000/10000",
    "openshift.io/sa.scc.mcs": "s0:c26,c15",
}
_ALLOWED = ("kernel.msg*", "net.core.somaxconn")

Gate = Callable[[dict[str, Any]], Any]


def run() -> list[Row]:
    """A row for all gates after each other, then one for each."""
    pod = yaml.safe_load(_POD.read_text())
    pod["metadata"]["namespace"] = "demo"
    apply_defaults(_KIND, pod)
    gates = _gates()

    def all_of_them(given: dict[str, Any]) -> None:
        for gate in gates.values():
            gate(given)

    rate = f"{_rate(all_of_them, pod):,.0f} pods/s"
    rows = [Row("all gates over the unsafe pod", rate, target="at least 10,000 pods/s")]
    rows += [Row(f"… {name} alone", f"{_rate(gate, pod):,.0f} pods/s") for name, gate in gates.items()]
    return rows


def _gates() -> dict[str, Gate]:
    """The gates in the order of the path, each prepared once as a server and a node prepare it."""
    constraint_safe = frozenset(safe.scc_safe(KernelVersion(6, 1)))
    ranges = NamespaceRanges.parse("demo", _ANNOTATIONS)
    shipped = [o for o in shipped_files.read_objects() if o["kind"] == "SecurityContextConstraints"]
    ordered = ordering.sort_constraints([Constraint.parse(o) for o in shipped])
    providers = [Provider(constraint, ranges, constraint_safe) for constraint in ordered]
    security = platform.pod_security(Platform.OPENSHIFT, KUBERNETES_MINOR)
    node = NodeFacts(
        "worker-1", "6.1.0", allowed=_ALLOWED, interfaces=("^net.ipv4.conf.IFNAME.accept_redirects$",), is_agent=True
    )
    cluster = Cluster()
    room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    cluster.set_node({"metadata": {"name": node.name}, "status": {"allocatable": room}})
    (info,) = cluster.nodes()

    def place(pod: dict[str, Any]) -> None:
        asked = PodInfo(pod)
        scheduling.judge(asked, cluster, knows_pods=True)(info)
        pod_gates.evaluate(asked, node, info, is_chosen=True)

    return {
        "validation": lambda pod: validate(_KIND, pod),
        "constraints": lambda pod: admit.decide_creation(pod, providers, lambda _: admit.FOR_USER, audited=False),
        "Pod Security": lambda pod: security.evaluate_pod(pod, namespace="demo", username="user", labels={}),
        "scheduling and admission": place,
        "kubelet, runtime and kernel": lambda pod: node_gates.evaluate(pod, node),
        "interfaces": lambda pod: node_gates.evaluate_interfaces(pod, node, ()),
    }


def _rate(work: Gate, pod: dict[str, Any]) -> float:
    """Pods a second of processor time in the fastest round: what slows the others down is the machine's other work."""
    rates = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(PODS):
            work(pod)
        rates.append(PODS / (time.process_time() - began))
    return max(rates)
