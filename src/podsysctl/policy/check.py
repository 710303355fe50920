"""What a Pod Security check is: an identifier, a level, and one pure function per policy version.

The checks themselves are the files of `policy/checks/`; `policy/pod_security.py` picks those of a level and
version and joins their results.
Source: pod-security-admission policy/checks.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from podsysctl.policy.pod_view import PodView
from podsysctl.policy.wording import join_quoted, plural

BASELINE = "baseline"
RESTRICTED = "restricted"


class Violation(NamedTuple):
    """Why a check forbids a pod: a short reason, and the detail shown for a single object."""

    reason: str
    detail: str = ""


CheckFunction = Callable[[PodView], Violation | None]


@dataclass(frozen=True, slots=True)
class CheckVersion:
    """The form of a check from policy version 1.`minor` on.

    `overrides` names baseline checks that this one replaces at the restricted level.
    """

    minor: int
    function: CheckFunction
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check: upstream's identifier, the level it belongs to, its versions in rising order."""

    id: str
    level: str
    versions: tuple[CheckVersion, ...]


def containers_phrase(names: list[str]) -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{plural('container', 'containers', len(names))} {join_quoted(names)}"


def setters_phrase(pod_sets: bool, containers: list[str]) -> str:
    """`pod and containers "a", "b"`, with only the parts that offend."""
    parts = ["pod"] if pod_sets else []
    if containers:
        parts.append(containers_phrase(containers))
    return " and ".join(parts)


def quoted_set(values: Iterable[str]) -> str:
    """Distinct values, sorted by bytes, in quotes."""
    return join_quoted(sorted(set(values)))
