"""What a gate says of a pod or of one of its sysctls, in a form that all gates share.

`explain` prints verdicts, `placement` counts them. The gates that Kubernetes itself has also return upstream's own
texts, which stand in `reason`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Gate(StrEnum):
    """The gates in the order in which a pod meets them; the text is what reports print."""

    VALIDATION = "validation"
    CONSTRAINTS = "scc"
    POD_SECURITY = "pod-security"
    SCHEDULING = "scheduling"
    KUBELET = "kubelet"
    RUNTIME = "runtime"
    KERNEL = "kernel"
    INTERFACE = "interface"


class Outcome(StrEnum):
    """What became of the question."""

    ALLOWED = "allowed"
    WARNED = "warned"
    """Let pass, and somebody is told."""
    IGNORED = "ignored"
    """Let pass, and silently not done: the pod runs without the value."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Not enough is known to say."""


class Verdict(NamedTuple):
    """One answer.

    `subject` is a sysctl's normalised name, or empty when the whole pod is meant; `reason` says why, in upstream's
    words where it has some; `rule` names what decided: a list entry, a check, a constraint.
    """

    gate: Gate
    outcome: Outcome
    subject: str = ""
    reason: str = ""
    rule: str = ""

    @property
    def stops(self) -> bool:
        """Whether the pod does not run because of it."""
        return self.outcome is Outcome.REFUSED

    def to_dict(self) -> dict[str, str]:
        """The JSON form; empty fields are left out."""
        fields = {
            "gate": str(self.gate),
            "outcome": str(self.outcome),
            "sysctl": self.subject,
            "reason": self.reason,
            "rule": self.rule,
        }
        return {key: value for key, value in fields.items() if value}
