"""The rules of Tuned objects, read once so that asking them for a thousand nodes costs little.

Reads tolerantly: the API leaves nested matches unchecked, so a value that is no text makes an entry that never matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.objects import tuning

Object = dict[str, Any]

_LOWEST = 1 << 63
"""Of a rule without priority, which the API does not admit."""


@dataclass(frozen=True, slots=True)
class Match:
    """One entry of `match`: a label of the node, or of any of its pods, and what must hold as well.

    `label` None holds always; `value` None is any value.
    """

    label: str | None
    value: str | None
    of_pods: bool
    also: tuple[Match, ...]
    never: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `recommend`. `match` and `machine_config_labels` are None where they are absent."""

    tuned: str
    profile: str
    priority: int
    match: tuple[Match, ...] | None
    machine_config_labels: Mapping[str, str] | None
    operand: Mapping[str, Any]
    annotations: Mapping[str, str]

    @property
    def asks_pods(self) -> bool:
        """Whether labels of pods decide."""
        return _asks_pods(self.match or ())


def parse(tuneds: Iterable[Object]) -> tuple[Rule, ...]:
    """The rules of all Tuned objects in the order they are asked: by priority, Tuned name, and place."""
    rules = [
        _rule(tuned, entry)
        for tuned in sorted(tuneds, key=lambda one: str(one["metadata"]["name"]))
        for entry in (tuned.get("spec") or {}).get("recommend") or ()
    ]
    return tuple(sorted(rules, key=lambda rule: rule.priority))


def _rule(tuned: Object, entry: Object) -> Rule:
    match = entry.get("match")
    return Rule(
        tuned=str(tuned["metadata"]["name"]),
        profile=str(entry.get("profile", "")),
        priority=entry.get("priority", _LOWEST),
        match=None if match is None else tuple(_match(one) for one in match),
        machine_config_labels=entry.get("machineConfigLabels"),
        operand=entry.get("operand") or {},
        annotations=carried_annotations(tuned),
    )


def carried_annotations(tuned: Object) -> dict[str, str]:
    """What the Profile takes over from the Tuned whose rule won."""
    annotations = tuned["metadata"].get("annotations") or {}
    carried = {}
    if annotations.get(tuning.DEFERRED) in ("always", "update"):
        carried[tuning.DEFERRED] = annotations[tuning.DEFERRED]
    if annotations.get(tuning.CORRECT_DRIFT) == "true":
        carried[tuning.CORRECT_DRIFT] = "true"
    return carried


def _match(entry: Any) -> Match:
    if not isinstance(entry, dict):
        return Match(None, None, False, (), never=True)
    label, value, also = entry.get("label"), entry.get("value"), entry.get("match") or ()
    broken = not (isinstance(label, str | None) and isinstance(value, str | None) and isinstance(also, list | tuple))
    if broken:
        return Match(None, None, False, (), never=True)
    return Match(label, value, entry.get("type") == "pod", tuple(_match(one) for one in also))


def broken_entries(tuned: Object) -> list[str]:
    """Paths of entries that can never match, such as `spec.recommend[0].match[0].match[1]`."""
    out: list[str] = []
    for index, entry in enumerate((tuned.get("spec") or {}).get("recommend") or ()):
        _find_broken(entry.get("match") or (), f"spec.recommend[{index}].match", out)
    return out


def _find_broken(entries: Iterable[Any], path: str, out: list[str]) -> None:
    for index, entry in enumerate(entries):
        here = f"{path}[{index}]"
        if _match(entry).never:
            out.append(here)
        else:
            _find_broken(entry.get("match") or (), f"{here}.match", out)


def _asks_pods(matches: Iterable[Match]) -> bool:
    return any(match.of_pods or _asks_pods(match.also) for match in matches)
