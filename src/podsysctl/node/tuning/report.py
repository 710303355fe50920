"""What metrics show of one node's tuning: declared and live values, and the state of its profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base import metrics
from podsysctl.base.errors import KernelError, ValueSyntaxError
from podsysctl.kernel import procsys
from podsysctl.node.tuning.status import Finding
from podsysctl.node.tuning.wish import Drifted, Verdict
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.value import parse_number


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in one look at a node: for its status, its events and its metrics."""

    finding: Finding
    verdict: Verdict | None = None
    effective: list[dict[str, Any]] = field(default_factory=list)
    news: tuple[Drifted, ...] = ()
    live: Mapping[SysctlName, procsys.Reading] = field(default_factory=dict)


def show(node: str, wanted: str, look: Look) -> None:
    """Replace what is shown of a node; `wanted` is its profile, applied or not. Only values that are one number."""
    forget(node)
    if wanted:
        metrics.PROFILE_APPLIED.labels(node=node, profile=wanted).set(1 if look.finding.applied else 0)
    if look.finding.degraded:
        metrics.PROFILE_DEGRADED.labels(node=node, reason=str(look.finding.reason)).set(1)
    if look.verdict is None:
        return
    for name, target in look.verdict.targets.items():
        declared, live = _number(target.value), _number(look.live[name])
        if declared is not None and live is not None:
            metrics.NODE_SYSCTL_DECLARED.labels(node=node, name=name.dotted).set(declared)
            metrics.NODE_SYSCTL_LIVE.labels(node=node, name=name.dotted).set(live)


def forget(node: str) -> None:
    """Show nothing of a node any more, its counters aside."""
    shown = (
        metrics.PROFILE_APPLIED,
        metrics.PROFILE_DEGRADED,
        metrics.NODE_SYSCTL_DECLARED,
        metrics.NODE_SYSCTL_LIVE,
    )
    for family in shown:
        family.forget(node=node)


def _number(reading: procsys.Reading) -> int | None:
    if isinstance(reading, KernelError):
        return None
    try:
        return parse_number(reading.strip())
    except ValueSyntaxError:
        return None
