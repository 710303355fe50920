"""Which profile one node gets: the first rule that matches it, and whose requirements it has to meet besides.

Source: cluster-node-tuning-operator pkg/operator/profilecalculator.go and mc.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podsysctl.base.errors import UsageError
from podsysctl.controllers.tuning.rules import Match, Rule
from podsysctl.objects import selectors
from podsysctl.objects.selectors import LabelSelector

Object = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pool:
    """A MachineConfigPool, its selectors read."""

    name: str
    nodes: LabelSelector
    machine_configs: LabelSelector


@dataclass(frozen=True, slots=True)
class Subject:
    """One node as rules see it. `pods` gives the labels of its pods, and is called only when a rule asks."""

    labels: Labels
    pods: Callable[[], Sequence[Labels]]
    pools: Sequence[Pool] = ()
    """All pools of the cluster; which of them are the node's own is found out when a rule asks."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The rule that won and all that match, itself included, in their order."""

    winner: Rule
    matching: tuple[Rule, ...]

    @property
    def rivals(self) -> tuple[Rule, ...]:
        """Rules of the winner's priority that ask for another profile."""
        winner = self.winner
        return tuple(r for r in self.matching if r.priority == winner.priority and r.profile != winner.profile)


def choose(rules: Iterable[Rule], subject: Subject) -> Choice | None:
    """The choice for one node; None when no rule matches, which the default Tuned prevents."""
    matching = tuple(rule for rule in rules if matches(rule, subject))
    return Choice(matching[0], matching) if matching else None


def matches(rule: Rule, subject: Subject) -> bool:
    """Whether a rule is one for the node."""
    if (rule.match is not None or rule.machine_config_labels is None) and _any(rule.match or (), subject):
        return True
    labels = rule.machine_config_labels
    if labels is None:
        return False
    return any(
        pool.machine_configs.requirements and pool.machine_configs.matches(labels)
        for pool in pools_of(subject.labels, subject.pools)
    )


def _any(entries: Sequence[Match], subject: Subject) -> bool:
    """Whether one of the entries holds; an empty list does."""
    return not entries or any(_holds(entry, subject) and _any(entry.also, subject) for entry in entries)


def _holds(entry: Match, subject: Subject) -> bool:
    if entry.never:
        return False
    if entry.label is None:
        return True
    labelled = subject.pods() if entry.of_pods else (subject.labels,)
    return any(
        entry.label in labels and (entry.value is None or labels[entry.label] == entry.value) for labels in labelled
    )


def read_pools(pools: Iterable[Object]) -> tuple[Pool, ...]:
    """The pools by name; one with a broken selector selects nothing, an empty selector does neither."""
    return tuple(
        Pool(
            name=str(pool["metadata"]["name"]),
            nodes=_selector((pool.get("spec") or {}).get("nodeSelector")),
            machine_configs=_selector((pool.get("spec") or {}).get("machineConfigSelector")),
        )
        for pool in sorted(pools, key=lambda one: str(one["metadata"]["name"]))
    )


def _selector(selector: Object | None) -> LabelSelector:
    try:
        return selectors.from_object(selector)
    except UsageError:
        return selectors.NOTHING


def pools_of(labels: Labels, pools: Iterable[Pool]) -> list[Pool]:
    """The pools a node belongs to: its custom pool, or master, which goes first, and worker beside a custom one.

    A node that two custom pools claim belongs to none.
    """
    found = {pool.name: pool for pool in pools if pool.nodes.requirements and pool.nodes.matches(labels)}
    master, worker = found.pop("master", None), found.pop("worker", None)
    if len(found) > 1:
        return []
    if found:
        return [pool for pool in (master or next(iter(found.values())), worker) if pool is not None]
    only = master or worker
    return [only] if only is not None else []
