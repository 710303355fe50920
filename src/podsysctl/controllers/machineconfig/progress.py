"""How far a pool's rollout is, for people: one step per node, and what holds the pool up.

Pure, and true of any cluster with machine configuration: it reads what the API shows and renders nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from podsysctl.controllers.machineconfig import kubelet_config, membership, node_state, pool_status, render
from podsysctl.objects import machineconfig as names

Object = dict[str, Any]


class Step(Enum):
    """Where a node is on its way, with the words for it and the share of the way that lies behind it (percent)."""

    WAITING = ("waits for its turn", 0)
    TARGETED = ("is told to change", 10)
    DRAINING = ("is being drained", 30)
    APPLYING = ("takes over the configuration", 60)
    UNCORDONING = ("is being given back", 90)
    UPDATED = ("updated", 100)
    NOT_READY = ("updated, not ready", 95)
    CORDONED = ("updated, cordoned", 95)
    FAILED = ("failed", 0)

    def __init__(self, words: str, percent: int) -> None:
        self.words = words
        self.percent = percent


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """One node; `reason` is its own text when it failed."""

    name: str
    step: Step
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PoolProgress:
    """A pool and its nodes by name. `holding` is what it waits for apart from its nodes, `failure` why it stopped."""

    pool: str
    target: str
    nodes: tuple[NodeProgress, ...]
    is_done: bool
    holding: str = ""
    failure: str = ""

    @property
    def updated(self) -> int:
        """How many nodes have arrived."""
        return sum(node.step is Step.UPDATED for node in self.nodes)


def pool_progress(
    pool: Object,
    pools: Sequence[Object],
    nodes: Iterable[Object],
    machine_configs: Sequence[Object],
    kubelet_configs: Iterable[Object],
) -> PoolProgress:
    """How the rollout of `pool` stands, given everything that bears on it."""
    name = pool["metadata"]["name"]
    target = (pool["spec"].get("configuration") or {}).get("name", "")
    steps = tuple(
        NodeProgress(n["metadata"]["name"], step, names.annotation(n, names.REASON) if step is Step.FAILED else "")
        for n in sorted(nodes, key=lambda node: str(node["metadata"]["name"]))
        if _belongs(n, pools, name)
        for step in (node_step(n, target),)
    )
    failure = _refusal(pool, kubelet_configs) or _degraded(pool)
    holding = "" if failure else _holding(pool, machine_configs, kubelet_configs)
    arrived = all(node.step is Step.UPDATED for node in steps)
    reported = (pool.get("status") or {}).get("configuration", {}).get("name") == target
    done = arrived and reported and not holding and not failure and pool_status.is_condition_true(pool, "Updated")
    return PoolProgress(name, target, steps, done, holding, failure)


def node_step(node: Object, target: str) -> Step:
    """Where a node is on its way to a rendered configuration."""
    if node_state.is_degraded(node):
        return Step.FAILED
    if node_state.is_updated(node, target):
        if node_state.is_ready(node):
            return Step.UPDATED
        return Step.CORDONED if node["spec"].get("unschedulable") else Step.NOT_READY
    desired = names.annotation(node, names.DESIRED_CONFIG)
    if desired != target:
        return Step.WAITING
    wanted, done = names.annotation(node, names.DESIRED_DRAIN), names.annotation(node, names.LAST_DRAIN)
    if wanted == f"uncordon-{target}":
        return Step.UNCORDONING
    if wanted == f"drain-{target}":
        return Step.APPLYING if wanted == done else Step.DRAINING
    return Step.TARGETED


def _belongs(node: Object, pools: Sequence[Object], name: str) -> bool:
    try:
        found = membership.pool_of(node, pools)
    except membership.PoolConflictError:
        return False
    return found is not None and found["metadata"]["name"] == name


def _refusal(pool: Object, kubelet_configs: Iterable[Object]) -> str:
    """The first KubeletConfig of the pool that was refused: it keeps the pool from being rendered."""
    for config in _of_pool(pool, kubelet_configs):
        conditions = (config.get("status") or {}).get("conditions") or ()
        if _is_observed(config) and conditions and not kubelet_config.is_accepted(config):
            return f'KubeletConfig "{config["metadata"]["name"]}" was refused: {conditions[-1].get("message", "")}'
    return ""


def _degraded(pool: Object) -> str:
    for condition in (pool.get("status") or {}).get("conditions") or ():
        if condition.get("type") in ("NodeDegraded", "RenderDegraded") and condition.get("status") == "True":
            return f'machineconfigpool "{pool["metadata"]["name"]}" is degraded: {condition.get("message", "")}'
    return ""


def _holding(pool: Object, machine_configs: Sequence[Object], kubelet_configs: Iterable[Object]) -> str:
    for config in _of_pool(pool, kubelet_configs):
        if config["metadata"].get("deletionTimestamp") or not _is_observed(config):
            return f'KubeletConfig "{config["metadata"]["name"]}" to be observed'
    if not _is_rendered(pool, machine_configs):
        return "its configuration to be rendered"
    if pool["spec"].get("paused") and not pool_status.is_condition_true(pool, "Updated"):
        return "somebody to unpause it"
    return ""


def _is_rendered(pool: Object, machine_configs: Sequence[Object]) -> bool:
    """Whether the pool's rendered configuration is of today's MachineConfigs: the same ones, the same kubelet file."""
    try:
        sources = render.selected(pool, machine_configs)
    except names.RenderError:
        return True  # a condition of the pool says so
    configuration = pool["spec"].get("configuration") or {}
    if [s.get("name") for s in configuration.get("source") or ()] != [s["metadata"]["name"] for s in sources]:
        return False
    rendered = next((m for m in machine_configs if m["metadata"]["name"] == configuration.get("name")), None)
    return rendered is not None and _kubelet_source(rendered) == next(
        (text for text in map(_kubelet_source, reversed(sources)) if text is not None), None
    )


def _kubelet_source(machine_config: Object) -> str | None:
    try:
        return names.kubelet_file(machine_config)
    except names.RenderError:
        return None


def _of_pool(pool: Object, kubelet_configs: Iterable[Object]) -> list[Object]:
    return [c for c in kubelet_configs if kubelet_config.selected_pools(c, [pool])]


def _is_observed(config: Object) -> bool:
    return bool((config.get("status") or {}).get("observedGeneration") == config["metadata"].get("generation"))
