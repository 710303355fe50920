"""All profiles and all rules of the Tuned objects at one moment, and which profiles contradict each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from podsysctl.controllers.tuning import rules
from podsysctl.controllers.tuning.rules import Rule

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Collection:
    """`profiles` are sorted by name, `digest` stands for them; `conflicts` maps a Tuned to a profile that it and

    another one (or itself) define differently. While there is any, no node's Profile may change.
    """

    profiles: tuple[Object, ...]
    digest: str
    rules: tuple[Rule, ...]
    conflicts: Mapping[str, str]
    texts: Mapping[str, str]

    @property
    def asks_pods(self) -> bool:
        """Whether labels of pods decide anything."""
        return any(rule.asks_pods for rule in self.rules)

    @property
    def asks_pools(self) -> bool:
        """Whether pools decide anything."""
        return any(rule.machine_config_labels is not None for rule in self.rules)


def collect(tuneds: Sequence[Object]) -> Collection:
    """Everything that the Tuned objects say together."""
    by_name = sorted(tuneds, key=lambda one: str(one["metadata"]["name"]))
    texts: dict[str, str] = {}
    owners: dict[str, list[str]] = {}
    contradicting: set[str] = set()
    for tuned in by_name:
        for profile in (tuned.get("spec") or {}).get("profile") or ():
            name, data = str(profile["name"]), str(profile["data"])
            if texts.get(name, data) != data:
                contradicting.add(name)
            texts[name] = data
            owners.setdefault(name, []).append(str(tuned["metadata"]["name"]))
    profiles = tuple({"name": name, "data": texts[name]} for name in sorted(texts))
    return Collection(
        profiles=profiles,
        digest=digest_of(profiles),
        rules=rules.parse(by_name),
        conflicts={owner: name for name in sorted(contradicting, reverse=True) for owner in owners[name]},
        texts=texts,
    )


def digest_of(profiles: Iterable[Mapping[str, Any]]) -> str:
    """A short text that is equal for equal profiles in equal order."""
    pairs = [(profile.get("name"), profile.get("data")) for profile in profiles]
    return hashlib.blake2b(orjson.dumps(pairs), digest_size=16).hexdigest()
