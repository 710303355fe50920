"""No node's kubelet allows the sysctls: their exact names are added to the configuration of one pool.

Lists of a kubelet configuration replace each other, so what is allowed already stays in the new list.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from podsysctl.policy.kubelet import KernelNamespace, namespace_of
from podsysctl.policy.remedy import Remedy
from podsysctl.policy.situation import Pool, Situation
from podsysctl.policy.verdict import Gate
from podsysctl.policy.whole import NodeReport, Report

_POOL_LABEL = "pools.operator.machineconfiguration.openshift.io/"
_OWN_LABEL = "custom-kubelet"
_API = "machineconfiguration.openshift.io/v1"


def propose(situation: Situation, report: Report) -> Remedy | None:
    """Allow what the pod needs on the nodes of one pool."""
    targets = [entry for entry in report.nodes if entry.eligible and _refused(entry)] or [
        entry for entry in report.nodes if _refused(entry)
    ]
    if not targets or any(entry.eligible and entry.accepts for entry in report.nodes):
        return None
    pool_name = _pool(targets)
    chosen = [entry for entry in targets if entry.node.pool == pool_name]
    names = sorted({name for entry in chosen for name in _refused(entry)})
    if not names:
        return None
    allowed = sorted({pattern for entry in chosen for pattern in entry.node.facts.allowed or ()})
    wanted = [*allowed, *(name for name in names if name not in allowed)]
    changed = _allow(situation, pool_name, wanted)
    nodes = [entry.node.name for entry in situation_nodes(report, pool_name)]
    where = f"the {len(nodes)} node(s) of pool {pool_name}" if pool_name else f"node(s) {', '.join(nodes)}"
    opens = [f"every pod on {where} that passes admission may set {', '.join(names)}"]
    title = f"Allow {', '.join(names)} on {where}"
    pool = situation.pools.get(pool_name)
    if pool is None:
        text = "".join(f"  - {name!r}\n".replace("'", '"') for name in wanted)
        content = (
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nallowedUnsafeSysctls:\n" + text
        )
        return Remedy(
            title, changed, files=(("/etc/kubernetes/kubelet.conf.d/90-sysctls.conf", content),), opens=tuple(opens)
        )
    opens.append("the pool's nodes are drained and restarted one after the other")
    return Remedy(title, changed, tuple(_manifests(pool, wanted)), opens=tuple(opens))


def situation_nodes(report: Report, pool: str) -> list[NodeReport]:
    """The nodes of a pool, those without pool when it is empty."""
    return [entry for entry in report.nodes if entry.node.pool == pool]


def _refused(entry: NodeReport) -> list[str]:
    """Sysctls that only an entry of the allowlist is missing for on this node."""
    return [
        verdict.subject
        for report in entry.sysctls
        for verdict in report.verdicts
        if verdict.gate is Gate.KUBELET
        and verdict.stops
        and verdict.reason.endswith("not allowlisted")
        and namespace_of(verdict.subject) is not KernelNamespace.UNKNOWN
    ]


def _pool(targets: list[NodeReport]) -> str:
    """The pool with the most nodes the pod may run on; worker first among equals, master last."""
    counts = Counter(entry.node.pool for entry in targets)
    return max(counts, key=lambda name: (name != "master", counts[name], name == "worker", name))


def _allow(situation: Situation, pool: str, wanted: list[str]) -> Situation:
    nodes = tuple(
        replace(node, facts=replace(node.facts, allowed=tuple(wanted))) if node.pool == pool else node
        for node in situation.nodes
    )
    return replace(situation, nodes=nodes)


def _manifests(pool: Pool, wanted: list[str]) -> list[dict[str, Any]]:
    """A KubeletConfig for the pool, and the pool's label when it has none that a selector can name."""
    if pool.kubelet_config is not None:
        existing = dict(pool.kubelet_config.get("spec") or {})
        fields = {**(existing.get("kubeletConfig") or {}), "allowedUnsafeSysctls": wanted}
        name = pool.kubelet_config["metadata"]["name"]
        return [_kubelet_config(name, {**existing, "kubeletConfig": fields})]
    built_in = f"{_POOL_LABEL}{pool.name}"
    if built_in in pool.labels:
        labels, manifests = {built_in: pool.labels[built_in]}, []
    else:
        labels = {_OWN_LABEL: pool.labels.get(_OWN_LABEL) or f"sysctl-{pool.name}"}
        metadata = {"name": pool.name, "labels": labels}
        manifests = [{"apiVersion": _API, "kind": "MachineConfigPool", "metadata": metadata}]
    spec = {"machineConfigPoolSelector": {"matchLabels": labels}, "kubeletConfig": {"allowedUnsafeSysctls": wanted}}
    return [*manifests, _kubelet_config(f"sysctl-{pool.name}", spec)]


def _kubelet_config(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": _API, "kind": "KubeletConfig", "metadata": {"name": name}, "spec": spec}
