"""What a KubeletConfig would do to a cluster, without doing it: nodes, evictions, verdicts, entries.

Pure. It renders each pool with and without the change and compares the kubelet files that the nodes would read, so
custom pools that inherit from the workers, and files of others that win, come out as they would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from podsysctl.base.errors import UsageError
from podsysctl.base.versions import parse_kernel_version
from podsysctl.controllers.machineconfig import drain, kubelet_config, membership, node_state, render, rollout
from podsysctl.objects import machineconfig as names
from podsysctl.policy.kubelet import Allowlist, normalize_name

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NodePreview:
    """One node that changes; `hindrance` is why it would not be taken yet, or empty."""

    name: str
    evicted: tuple[str, ...]
    hindrance: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A pod whose admission changes; `message` is the kubelet's refusal, before or after."""

    pod: str
    node: str
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of allowedUnsafeSysctls, and the unsafe names that pods use and that it covers."""

    pattern: str
    used: tuple[str, ...]

    @property
    def is_wide(self) -> bool:
        """Whether it allows more than one name."""
        return self.pattern.endswith("*")


@dataclass(frozen=True, slots=True)
class PoolPreview:
    """A pool that changes: its nodes in the order in which they are taken, `at_once` of them together."""

    pool: str
    at_once: int
    nodes: tuple[NodePreview, ...]
    admitted: tuple[Verdict, ...]
    refused: tuple[Verdict, ...]
    entries: tuple[Entry, ...]
    is_paused: bool


def preview(
    config: Object,
    pools: Sequence[Object],
    nodes: Iterable[Object],
    pods: Sequence[Object],
    machine_configs: Sequence[Object],
    kubelet_configs: Sequence[Object],
) -> list[PoolPreview]:
    """The pools that would change, by name. Raises KubeletConfigError when the KubeletConfig would be refused."""
    selected = kubelet_config.selected_pools(config, pools)
    kubelet_config.check(config, selected)
    after = _with_change(config, selected, machine_configs, kubelet_configs)
    members = membership.Members()
    members.set_pools(pools)
    for node in nodes:
        members.set_node(node)
    out = []
    for pool in sorted(pools, key=lambda p: str(p["metadata"]["name"])):
        old, new = _kubelet_document(pool, machine_configs), _kubelet_document(pool, after)
        if old != new:
            out.append(_pool_preview(pool, members.nodes(pool["metadata"]["name"]), pods, old, new))
    return out


def _with_change(
    config: Object, selected: Sequence[Object], machine_configs: Sequence[Object], kubelet_configs: Sequence[Object]
) -> list[Object]:
    """The MachineConfigs as they would be."""
    name = config["metadata"]["name"]
    live = next((c for c in kubelet_configs if c["metadata"]["name"] == name), None)
    known: Object = live["metadata"] if live is not None else {"name": name, "uid": ""}
    config = {**config, "metadata": known}
    others = [
        c for c in kubelet_configs if c["metadata"]["name"] != name and kubelet_config.selected_pools(c, selected)
    ]
    suffix = kubelet_config.name_suffix(config, others)
    made = {
        mc["metadata"]["name"]: mc
        for pool in selected
        for mc in (kubelet_config.machine_config(config, pool["metadata"]["name"], suffix, render.BASE_KUBELET),)
    }
    return [mc for mc in machine_configs if mc["metadata"]["name"] not in made] + list(made.values())


def _kubelet_document(pool: Object, machine_configs: Sequence[Object]) -> Object:
    """The kubelet configuration that a pool's nodes read: the last file wins."""
    try:
        document = yaml.safe_load(names.kubelet_file(render.render(pool, render.selected(pool, machine_configs))))
    except (names.RenderError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _pool_preview(
    pool: Object, nodes: Sequence[Object], pods: Sequence[Object], old: Object, new: Object
) -> PoolPreview:
    by_node: dict[str, list[Object]] = {node["metadata"]["name"]: [] for node in nodes}
    waiting = []
    for pod in pods:
        node_name = (pod.get("spec") or {}).get("nodeName", "")
        if not node_name:
            waiting.append(pod)
        elif node_name in by_node:
            by_node[node_name].append(pod)
    admitted: list[Verdict] = []
    refused: list[Verdict] = []
    for node in nodes:
        before, after = (_allowlist(document, node) for document in (old, new))
        for pod in by_node[node["metadata"]["name"]]:
            was, will = before.check(pod), after.check(pod)
            if was and not will:
                admitted.append(Verdict(_title(pod), node["metadata"]["name"], was))
            elif will and not was and not _has_ended(pod):
                refused.append(Verdict(_title(pod), node["metadata"]["name"], will))
    concerned = [pod for found in by_node.values() for pod in found] + waiting
    return PoolPreview(
        pool["metadata"]["name"],
        rollout.max_unavailable(pool, len(nodes)),
        tuple(_node_preview(n, by_node[n["metadata"]["name"]]) for n in sorted(nodes, key=rollout.order)),
        tuple(admitted),
        tuple(refused),
        _entries(new.get("allowedUnsafeSysctls") or (), concerned),
        bool(pool["spec"].get("paused")),
    )


def _node_preview(node: Object, pods: Iterable[Object]) -> NodePreview:
    hindrance = ""
    if node["spec"].get("unschedulable"):
        hindrance = "it is cordoned"
    elif not node_state.is_ready(node):
        hindrance = "it is not ready"
    evicted = tuple(sorted(_title(pod) for pod in pods if drain.must_leave(pod)))
    return NodePreview(node["metadata"]["name"], evicted, hindrance)


def _allowlist(document: Mapping[str, Any], node: Object) -> Allowlist:
    """What a node would allow; entries that a kubelet would die of allow nothing."""
    release = ((node.get("status") or {}).get("nodeInfo") or {}).get("kernelVersion", "")
    kernel = parse_kernel_version(release) if release else None
    try:
        return Allowlist.parse(document.get("allowedUnsafeSysctls") or (), kernel)
    except UsageError:
        return Allowlist.parse((), kernel)


def _entries(patterns: Sequence[str], pods: Iterable[Object]) -> tuple[Entry, ...]:
    used = {
        normalize_name(str(sysctl.get("name") or ""))
        for pod in pods
        for sysctl in (pod["spec"].get("securityContext") or {}).get("sysctls") or ()
    }
    unsafe = {name for name in used if Allowlist.parse((), None).find(name) is None}
    return tuple(Entry(p, tuple(sorted(name for name in unsafe if _covers(p, name)))) for p in patterns)


def _covers(pattern: str, name: str) -> bool:
    prefix, star, _ = normalize_name(pattern).partition("*")
    return name.startswith(prefix) if star else name == prefix


def _has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _title(pod: Object) -> str:
    return f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"
