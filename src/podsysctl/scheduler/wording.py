"""Why a pod fits nowhere, in one sentence.

Source: Kubernetes 1.36 `pkg/scheduler/framework/types.go` (FitError) and `framework/preemption`. Nothing is preempted
here: of nodes with pods of lower priority the sentence says so, in words of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from podsysctl.policy.scheduling.misfit import Misfit

NO_NODES = "no nodes available to schedule pods"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
SPARED = "Pods with lower priority are not preempted"
NOTE_LENGTH = 1024
"""Longest note of an event."""


def fit_error(
    node_count: int, misfits: Iterable[Misfit], *, preempting: bool = True, conflict: str = "", spared: int = 0
) -> str:
    """The message of the event and of the PodScheduled condition.

    `preempting` is false for pods whose preemptionPolicy is Never; `conflict` is the reason of a pod that
    contradicts itself, given instead of the nodes' reasons. `spared` of the nodes that removing pods might help have
    some of lower priority.
    """
    found = list(misfits)
    head = f"0/{node_count} nodes are available:"
    if conflict:
        head = f"{head} {conflict}."
    else:
        head = f"{head} {_histogram(reason for misfit in found for reason in misfit.reasons)}"
    if not preempting:
        return f"{head} preemption: not eligible due to preemptionPolicy=Never."
    tried = sum(not misfit.hopeless for misfit in found)
    reasons = [NO_VICTIMS] * (tried - spared) + [SPARED] * spared + [NOT_HELPFUL] * (node_count - tried)
    return f"{head} preemption: 0/{node_count} nodes are available: {_histogram(reasons)}"


def _histogram(reasons: Iterable[str]) -> str:
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    return f"{', '.join(counted)}."


def truncate(message: str) -> str:
    """A message short enough for an event."""
    if len(message) <= NOTE_LENGTH:
        return message
    suffix = " ..."
    return message[: NOTE_LENGTH - len(suffix)] + suffix
