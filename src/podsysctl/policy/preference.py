"""The preference for nodes that accept a pod's sysctls, written into the pod for a scheduler that knows no sysctls.

Terms of preferred node affinity, by labels that only accepting nodes have, else by the nodes' names. A preference,
never a filter: nothing is added where all nodes are alike, and a pod that no node accepts is placed as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podsysctl.policy import placement
from podsysctl.policy.node_facts import NodeFacts

WEIGHT = 100
"""The most that a term may weigh."""
MAX_TERMS = 8
"""Terms added to one pod; where more would be needed, accepting nodes had better have a label of their own."""
_OWN_LABEL = "kubernetes.io/hostname"

Object = dict[str, Any]


def terms(pod: Mapping[str, Any], nodes: Iterable[NodeFacts]) -> list[Object]:
    """Terms for the pod's `preferredDuringSchedulingIgnoredDuringExecution`; none when they would say nothing."""
    spec = pod.get("spec") or {}
    if spec.get("nodeName") or not (spec.get("securityContext") or {}).get("sysctls"):
        return []
    scores = [(node, placement.score(pod, node)) for node in nodes]
    best = max((score for _, score in scores), default=0)
    good = [node for node, score in scores if score == best]
    others = [node for node, score in scores if score < best]
    if not others:
        return []
    found = [_by_label(key, value) for key, value in _labels(good, others)]
    covered = {node.name for node in good if any(_has(node, term) for term in found)}
    found += [_by_name(node.name) for node in good if node.name not in covered]
    return found[:MAX_TERMS]


def patch(pod: Mapping[str, Any], nodes: Iterable[NodeFacts]) -> list[Object]:
    """The JSON patch that adds the terms to a pod, after those of its own; empty when there is nothing to add."""
    affinity = (pod.get("spec") or {}).get("affinity")
    node_affinity = (affinity or {}).get("nodeAffinity")
    own = (node_affinity or {}).get("preferredDuringSchedulingIgnoredDuringExecution")
    new = [term for term in terms(pod, nodes) if term not in (own or ())]
    if not new:
        return []
    added: Any = new
    path = "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution"
    if own:
        return [{"op": "add", "path": f"{path}/-", "value": term} for term in new]
    for holder, name in (
        (node_affinity, "preferredDuringSchedulingIgnoredDuringExecution"),
        (affinity, "nodeAffinity"),
    ):
        if holder is not None:
            break
        added, path = {name: added}, path.rpartition("/")[0]
    return [{"op": "add", "path": path, "value": added}]


def _labels(good: list[NodeFacts], others: list[NodeFacts]) -> list[tuple[str, str]]:
    """Labels that only good nodes have, the one of most nodes first, until no further one covers another node."""
    foreign = {pair for node in others for pair in node.labels.items()}
    left = {node.name: {p for p in node.labels.items() if p not in foreign and p[0] != _OWN_LABEL} for node in good}
    out: list[tuple[str, str]] = []
    while True:
        counts: dict[tuple[str, str], int] = {}
        for pairs in left.values():
            for pair in pairs:
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            return out
        chosen = min(counts, key=lambda pair: (-counts[pair], pair))
        out.append(chosen)
        left = {name: pairs for name, pairs in left.items() if chosen not in pairs}


def _has(node: NodeFacts, term: Object) -> bool:
    [wanted] = term["preference"]["matchExpressions"]
    return node.labels.get(wanted["key"]) in wanted["values"]


def _by_label(key: str, value: str) -> Object:
    wanted = {"key": key, "operator": "In", "values": [value]}
    return {"weight": WEIGHT, "preference": {"matchExpressions": [wanted]}}


def _by_name(name: str) -> Object:
    wanted = {"key": "metadata.name", "operator": "In", "values": [name]}
    return {"weight": WEIGHT, "preference": {"matchFields": [wanted]}}
