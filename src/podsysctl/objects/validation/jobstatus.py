"""Rules of the status of Jobs, which controllers outside the server may write too (pkg/apis/batch/validation, 1.36).

Most rules hold only for what an update changes, so that a status that is wrong already does not block others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.objects import gotime
from podsysctl.objects.validation.fields import Errors, Named, duplicate, invalid, required
from podsysctl.objects.validation.jobpolicies import count_indexes, omitted, parse_interval
from podsysctl.objects.validation.meta import IMMUTABLE, validate_update_metadata
from podsysctl.objects.validation.numbers import validate_not_negative

Object = Mapping[str, Any]

_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
_TERMINAL = ("Failed", "Complete", "FailureTarget")
_PATH = "status"
_CONDITIONS = "status.conditions"


class _Job:
    """What the rules ask about one of the two jobs of an update."""

    def __init__(self, job: Object) -> None:
        self.spec: Object = job.get("spec") or {}
        self.status: Object = job.get("status") or {}
        self.is_indexed = self.spec.get("completionMode") == "Indexed"
        self.is_complete, self.is_failed = self.has("Complete"), self.has("Failed")
        self.is_finished = self.is_complete or self.is_failed
        self.has_target, self.has_criteria = self.has("FailureTarget"), self.has("SuccessCriteriaMet")

    def has(self, kind: str, value: str = "True") -> bool:
        """Whether a condition has a value."""
        rows = self.status.get("conditions") or ()
        return any(row.get("type") == kind and row.get("status") == value for row in rows)

    def get(self, key: str) -> Any:
        """A field of the status, None when it is absent or zero."""
        return self.status.get(key) or None


def validate_job_status(new: Object, old: Object, errors: Errors) -> None:
    """The status of a Job in an update of it."""
    validate_update_metadata(new, old, errors)
    job, before = _Job(new), _Job(old)
    for key in _COUNTS:
        validate_not_negative(job.status, key, errors, _PATH)
    _validate_uncounted(job, errors)
    _validate_conditions(job, before, errors)
    _validate_finished(job, before, errors)
    _validate_indexes(job, before, errors)
    _validate_numbers(job, before, errors)
    _validate_criteria(job, errors)
    _validate_changes(job, before, errors)


def _validate_uncounted(job: _Job, errors: Errors) -> None:
    seen: set[str] = set()
    for key in ("succeeded", "failed"):
        for index, uid in enumerate((job.get("uncountedTerminatedPods") or {}).get(key) or ()):
            where = f"status.uncountedTerminatedPods.{key}[{index}]"
            if not uid:
                errors.append(invalid(where, Named(uid), "must not be empty"))
            elif uid in seen:
                errors.append(duplicate(where, Named(uid)))
            seen.add(uid)


def _validate_conditions(job: _Job, before: _Job, errors: Errors) -> None:
    completes, fails = job.is_complete != before.is_complete, job.is_failed != before.is_failed
    if (completes or fails) and job.is_complete and job.is_failed:
        errors.append(omitted(_CONDITIONS, "cannot set Complete=True and Failed=true conditions"))
    if (completes or job.has_target != before.has_target) and job.is_complete and job.has_target:
        errors.append(omitted(_CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions"))
    end, start = job.get("completionTime"), job.get("startTime")
    ends, starts = end != before.get("completionTime"), start != before.get("startTime")
    where = "status.completionTime"
    if (completes or ends) and end is not None and not job.is_complete:
        text = "cannot set completionTime when there is no Complete=True condition"
        errors.append(invalid(where, Named(end), text))
    if (completes or ends) and end is None and job.is_complete:
        errors.append(required(where, "completionTime is required for Complete jobs"))
    if (starts or ends) and start is not None and end is not None and gotime.parse(end) < gotime.parse(start):
        errors.append(invalid(where, Named(end), "must be equal to or after `startTime`"))
    failures = job.status.get("failedIndexes") != before.status.get("failedIndexes")
    if (fails or failures) and job.is_failed and not job.has_target:
        errors.append(omitted(_CONDITIONS, "cannot set Failed=True condition without the FailureTarget=true condition"))
    if (completes or job.has_criteria != before.has_criteria) and job.is_complete and not job.has_criteria:
        text = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        errors.append(omitted(_CONDITIONS, text))


def _validate_finished(job: _Job, before: _Job, errors: Errors) -> None:
    finishes = job.is_finished != before.is_finished
    active = job.get("active")
    if not job.is_finished:
        return
    if (finishes or active != before.get("active")) and (active or 0) > 0:
        errors.append(invalid("status.active", active, "active>0 is invalid for finished job"))
    starts = job.get("startTime") != before.get("startTime")
    never_runs = job.spec.get("suspend") is True and job.spec.get("completions") == 0
    if (finishes or starts) and not never_runs and job.get("startTime") is None:
        errors.append(required("status.startTime", "startTime is required for finished job"))
    uncounted = job.get("uncountedTerminatedPods")
    changed = (uncounted or {}) != (before.get("uncountedTerminatedPods") or {})
    if (finishes or changed) and uncounted and (uncounted.get("succeeded") or uncounted.get("failed")):
        shown = {"Succeeded": uncounted.get("succeeded"), "Failed": uncounted.get("failed")}
        errors.append(invalid("status.uncountedTerminatedPods", shown, "must be empty for finished job"))


def _validate_indexes(job: _Job, before: _Job, errors: Errors) -> None:
    done, failed = job.status.get("completedIndexes") or "", job.status.get("failedIndexes")
    finishes = done != (before.status.get("completedIndexes") or "")
    fails = failed != before.status.get("failedIndexes")
    completions, per_index = job.spec.get("completions"), job.spec.get("backoffLimitPerIndex")
    if finishes and completions is not None:
        _validate_format("completedIndexes", done, completions, errors)
    if fails and completions is not None and per_index is not None and failed is not None:
        _validate_format("failedIndexes", failed, completions, errors)
    if finishes and done and not job.is_indexed:
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        errors.append(invalid("status.completedIndexes", done, text))
    if fails and per_index is None and failed is not None:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        errors.append(invalid("status.failedIndexes", failed, text))
    if (finishes or fails) and completions is not None and failed is not None:
        at = _overlap(done, failed, completions)
        if at is not None:
            text = f"failedIndexes and completedIndexes overlap at index: {at}"
            errors.append(invalid("status.failedIndexes", failed, text))


def _validate_format(key: str, text: str, completions: int, errors: Errors) -> None:
    try:
        count_indexes(text, completions)
    except ValueSyntaxError as error:
        shown = Named(text) if key == "failedIndexes" else text
        errors.append(invalid(f"status.{key}", shown, f"error parsing {key}: {error.message}"))


def _intervals(text: str, completions: int) -> list[tuple[int, int]]:
    """The well-formed intervals of a text."""
    out = []
    for part in text.split(",") if text else ():
        try:
            out.append(parse_interval(part, completions))
        except ValueSyntaxError:
            continue
    return out


def _overlap(first: str, second: str, completions: int) -> int | None:
    """The first index that both texts name, walking both lists as upstream does."""
    a, b = _intervals(first, completions), _intervals(second, completions)
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i][0] <= b[j][1] and b[j][0] <= a[i][1]:
            return max(a[i][0], b[j][0])
        if a[i][0] <= b[j][0]:
            i += 1
        else:
            j += 1
    return None


def _validate_numbers(job: _Job, before: _Job, errors: Errors) -> None:
    terminating, ready, active = (job.status.get(key) for key in ("terminating", "ready", "active"))
    finishes = job.is_finished != before.is_finished
    if (finishes or terminating != before.status.get("terminating")) and (terminating or 0) > 0 and job.is_finished:
        errors.append(invalid("status.terminating", terminating, "terminating>0 is invalid for finished job"))
    changed = ready != before.status.get("ready") or (active or 0) != (before.status.get("active") or 0)
    if changed and ready is not None and ready > (active or 0):
        errors.append(invalid("status.ready", ready, "cannot set more ready pods than active"))


def _validate_criteria(job: _Job, errors: Errors) -> None:
    if job.has_criteria and job.is_failed:
        errors.append(omitted(_CONDITIONS, "cannot set SuccessCriteriaMet=True and Failed=true conditions"))
    if job.has_criteria and job.has_target:
        errors.append(omitted(_CONDITIONS, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"))
    if job.spec.get("successPolicy") is not None and not job.has_criteria and job.is_complete:
        text = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        errors.append(omitted(_CONDITIONS, text))


def _validate_changes(job: _Job, before: _Job, errors: Errors) -> None:
    for kind in _TERMINAL:
        if before.has(kind) and not job.has(kind):
            errors.append(omitted(_CONDITIONS, f"cannot disable the terminal {kind}=True condition"))
    keeps = not job.is_indexed or job.spec.get("completions") != job.spec.get("parallelism")
    for key, is_checked in (("failed", True), ("succeeded", keeps)):
        value = job.status.get(key) or 0
        if is_checked and value < (before.status.get(key) or 0):
            errors.append(invalid(f"status.{key}", value, f"cannot decrease the {key} counter"))
    end, old_end = job.get("completionTime"), before.get("completionTime")
    if end is not None and old_end is not None and end != old_end:
        errors.append(invalid("status.completionTime", Named(end), IMMUTABLE))
    start, old_start = job.get("startTime"), before.get("startTime")
    resumes = before.has("Suspended") and job.has("Suspended", "False")
    if old_start is not None and start != old_start and not resumes and not job.spec.get("suspend"):
        shown = None if start is None else Named(start)
        errors.append(invalid("status.startTime", shown, "field is immutable for unsuspended job once set"))
    if before.has_criteria and not job.has_criteria:
        errors.append(omitted(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition"))
    if before.is_complete and not before.has_criteria and job.has_criteria:
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        errors.append(omitted(_CONDITIONS, text))
