"""A sysctl written twice, or with capital letters where the kernel has none: the pod is corrected."""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import NameSyntaxError
from podsysctl.policy.remedy import Remedy, with_pod
from podsysctl.policy.situation import Situation
from podsysctl.policy.verdict import Gate
from podsysctl.policy.whole import Report
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import INTERFACE_TOKEN


def propose(situation: Situation, report: Report) -> Remedy | None:
    """Correct names that the API server refuses."""
    if not any(v.gate is Gate.VALIDATION and v.stops for v in report.admission):
        return None
    corrected: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, text in situation.sysctls:
        right = _correct(name)
        if right not in seen:
            corrected.append((right, text))
        seen.add(right)
    if corrected == situation.sysctls:
        return None

    def change(pod: dict[str, Any]) -> None:
        entries = [{"name": name, "value": text} for name, text in corrected]
        pod["spec"]["securityContext"]["sysctls"] = entries

    return Remedy("Correct the names of sysctls in the pod", with_pod(situation, change))


def _correct(name: str) -> str:
    """The catalogue's name when only capital letters or blanks differ; else the name itself."""
    lower = name.strip().lower()
    if lower == name or INTERFACE_TOKEN in name:
        return name
    try:
        return lower if catalogue.find(lower) is not None else name
    except NameSyntaxError:
        return name
