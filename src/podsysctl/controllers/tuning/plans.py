"""Which recommended profiles can never be applied, and which have requirements, before any node tries them.

The controller knows no machine, and what a profile says may depend on it. So each profile is read for two quite
different machines, and what is wrong on both is told; a node may still find more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from podsysctl.controllers.tuning.collection import Collection
from podsysctl.sysctls.tuned import anywhere, shipped
from podsysctl.sysctls.tuned.plan import Plan, ProfileError

MOST_NAMED = 3
"""Entries of one profile that a message names; the others are counted."""
_INCLUDE = re.compile(r"^\s*include\s*=(.*(?:\n[ \t].*)*)", re.MULTILINE)
_NAMES = re.compile(r"[,;:${}\s]+")
"""What stands between names; our own profiles choose between two by a function, and both are taken."""


@dataclass(frozen=True, slots=True)
class Plans:
    """`unusable` says of a recommended profile what is wrong with it, `demanding` are those with requirements."""

    unusable: Mapping[str, str]
    demanding: frozenset[str]


class Reader:
    """Reads every recommended profile, and again only what a change may have touched."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, str, bool]] = {}

    def judge(self, collection: Collection) -> Plans:
        """Read what is recommended now."""
        known = self._known
        self._known = {}
        for name in dict.fromkeys(rule.profile for rule in collection.rules):
            sources = _sources(name, collection)
            before = known.get(name)
            self._known[name] = before if before and before[0] == sources else (sources, *_judge(name, collection))
        return Plans(
            {name: text for name, (_, text, _) in self._known.items() if text},
            frozenset(name for name, (_, _, demanding) in self._known.items() if demanding),
        )


def _sources(name: str, collection: Collection) -> object:
    """All that decides what a profile says: the texts that it can reach by includes.

    A name that is made of variables may be any, so then all texts count.
    """
    texts: dict[str, str | None] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one in texts:
            continue
        text = texts[one] = collection.texts.get(one)
        own, ours = (_INCLUDE.findall(written) for written in (text or "", shipped.PROFILES.get(one, "")))
        if any("$" in included for included in own):
            return collection.digest
        waiting += (word.removeprefix("-") for included in (*own, *ours) for word in _NAMES.split(included))
    return texts


def _judge(name: str, collection: Collection) -> tuple[str, bool]:
    """What is wrong with a profile, and whether it has requirements."""
    if name not in collection.texts and name not in shipped.PROFILES:
        return f"profile {name} is recommended, and defined neither by a Tuned nor by this program", False
    found = anywhere.plans(name, collection.texts)
    text = _wrong(name, found)
    demanding = any(isinstance(plan, Plan) and plan.requirements for plan in found)
    return text, demanding


def _wrong(name: str, found: tuple[Plan | ProfileError, ...]) -> str:
    """What every machine would say; '' when one of them has nothing against it."""
    error = anywhere.error(found)
    if error is not None:
        return f"profile {name}: {error.message}{f' ({error.hint})' if error.hint else ''}"
    problems = anywhere.problems(found)
    more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
    included = any(problem.place.profile != name for problem in problems[:MOST_NAMED])
    prefix = f"profile {name}: " if included else ""  # a problem's own place names the profile that holds it
    return prefix + "; ".join(map(str, problems[:MOST_NAMED])) + more if problems else ""
