"""The status of a Profile: two conditions in the operator's words, and who won each parameter.

Texts and their order of precedence: cluster-node-tuning-operator pkg/tuned/status.go. What TuneD cannot say (nodes that
share a kernel, requirements, pod networking, drift, sections that are left out) has reasons of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podsysctl.node.tuning.wish import Drifted, Reason, Verdict
from podsysctl.objects import tuning

Object = dict[str, Any]

MESSAGE_CHARACTERS = 4096
"""Longest message of a condition; one that is longer ends with an ellipsis."""

_APPLIED = "TuneD profile applied."
_NOT_APPLIED = "The TuneD daemon profile not yet applied, or application failed."
_WAITS = "The TuneD daemon profile is waiting for the next node restart"
_ERROR = "TuneD daemon issued one or more error message(s) during profile application. TuneD stderr: "
_DEFERRED = "Profile will be applied at the next node restart"
_OVERRIDE = (
    "TuneD daemon issued one or more sysctl override message(s) during profile application. "
    "Use reapply_sysctl=true or remove conflicting sysctl "
)
_WARNING = "No error messages observed by applying the TuneD daemon profile, only warning(s). TuneD stderr: "
_CLEAN = "No warning or error messages observed applying the TuneD daemon profile."


@dataclass(frozen=True, slots=True)
class Finding:
    """What the conditions are made of: `applied` is True, False, or None while a change waits."""

    applied: bool | None
    degraded: bool
    reason: Reason
    text: str = ""


def judge(verdict: Verdict) -> Finding:
    """The first of what there is to say of a wish that was submitted."""
    if verdict.refusal is not None:
        return Finding(False, True, verdict.refusal.reason, verdict.refusal.text)
    if verdict.drifted:
        return Finding(True, True, Reason.DRIFT, "; ".join(drift_text(item) for item in verdict.drifted))
    overridden = [claim.name.dotted for claim in verdict.claims if claim.beaten]
    if overridden:
        return Finding(True, True, Reason.OVERRIDE, ", ".join(overridden))
    left_out = [
        f"section [{item.section}] of profile {item.profile} (type {item.type}) is not applied: {item.why}"
        for item in verdict.wish.plan.not_applied
    ]
    if verdict.warnings:
        return Finding(True, False, Reason.WARNING, "; ".join([*verdict.warnings, *left_out]))
    if left_out:
        return Finding(True, False, Reason.SECTIONS, "; ".join(left_out))
    return Finding(True, False, Reason.AS_EXPECTED)


def drift_text(item: Drifted) -> str:
    """What drifted, in a sentence without its end."""
    now = f'is "{item.live}"' if item.live else "cannot be read any more"
    after = ", and is left so, since it was set back too often of late" if item.tired else ""
    return f'{item.name} {now} and not "{item.expected}" ({item.said}){after}'


def conditions(finding: Finding, former: list[Object], now: str) -> list[Object]:
    """The list of conditions; `lastTransitionTime` moves only with the status."""
    if finding.applied is None:
        applied = ("False", "Deferred", f"{_WAITS}: {finding.text}" if finding.text else _WAITS)
    elif finding.applied:
        applied = ("True", "AsExpected", _APPLIED)
    else:
        applied = ("False", "Failed", _NOT_APPLIED)
    degraded = ("True" if finding.degraded else "False", str(finding.reason), _message(finding))
    times = {item.get("type"): item for item in former}
    out = []
    for kind, (status, reason, message) in ((tuning.APPLIED, applied), (tuning.DEGRADED, degraded)):
        before = times.get(kind) or {}
        since = before.get("lastTransitionTime") if before.get("status") == status else None
        out.append(
            {"type": kind, "status": status, "reason": reason, "message": _cut(message),
             "lastTransitionTime": since or now}
        )  # fmt: skip
    return out


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARACTERS else message[: MESSAGE_CHARACTERS - 1] + "…"


def _message(finding: Finding) -> str:
    if finding.reason is Reason.AS_EXPECTED:
        return _CLEAN
    if finding.reason is Reason.DEFERRED:
        return f"{_DEFERRED}: {finding.text}" if finding.text else _DEFERRED
    prefix = {Reason.ERROR: _ERROR, Reason.OVERRIDE: _OVERRIDE, Reason.WARNING: _WARNING}.get(finding.reason, "")
    return prefix + finding.text
