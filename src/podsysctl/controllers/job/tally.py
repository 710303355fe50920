"""Counting finished pods of a Job exactly once, across restarts.

A pod keeps a finalizer until the Job's status knows of it: first its uid is written into
`uncountedTerminatedPods`, then the finalizer goes, then the uid becomes part of the counter.
Source: Kubernetes 1.36 `pkg/controller/job/job_controller.go` (trackJobStatusAndRemoveFinalizers).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from podsysctl.controllers import podstate
from podsysctl.controllers.job import indexes
from podsysctl.controllers.scope import Object, is_deleting

FINALIZER = "batch.kubernetes.io/job-tracking"
UNCOUNTED_LIMIT = 500
"""Uids written into a status at once."""


@dataclass(slots=True)
class Tally:
    """What is known of a Job's finished pods; `release` are pods whose finalizer may go now."""

    succeeded: int
    failed: int
    uncounted_succeeded: list[str] = field(default_factory=list)
    uncounted_failed: list[str] = field(default_factory=list)
    completed: set[int] = field(default_factory=set)
    release: list[Object] = field(default_factory=list)

    @property
    def all_succeeded(self) -> int:
        """Successes, counted or on their way."""
        return self.succeeded + len(self.uncounted_succeeded)

    @property
    def all_failed(self) -> int:
        """Failures, counted or on their way."""
        return self.failed + len(self.uncounted_failed)

    def to_status(self, job: Object) -> Object:
        """The fields of the status that this is kept in."""
        uncounted: Object = {}
        if self.uncounted_succeeded:
            uncounted["succeeded"] = list(self.uncounted_succeeded)
        if self.uncounted_failed:
            uncounted["failed"] = list(self.uncounted_failed)
        out: Object = {"uncountedTerminatedPods": uncounted}
        if self.succeeded:
            out["succeeded"] = self.succeeded
        if self.failed:
            out["failed"] = self.failed
        if indexes.is_indexed(job) and self.completed:
            out["completedIndexes"] = indexes.show(self.completed)
        return out


def count(job: Object, pods: Iterable[Object], *, give_up: bool) -> Tally:
    """The tally after a look at the pods; with `give_up` every pod's finalizer goes."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    completions = int(job["spec"].get("completions") or 0)
    tally = Tally(
        int(status.get("succeeded") or 0),
        int(status.get("failed") or 0),
        completed=indexes.parse(status.get("completedIndexes", ""), completions),
    )
    listed = list(pods)
    held = {pod["metadata"]["uid"] for pod in listed if has_finalizer(pod)}
    for uid in uncounted.get("succeeded") or ():
        if uid in held:
            tally.uncounted_succeeded.append(uid)
        elif not indexes.is_indexed(job):
            tally.succeeded += 1
    for uid in uncounted.get("failed") or ():
        if uid in held:
            tally.uncounted_failed.append(uid)
        else:
            tally.failed += 1
    known = {*tally.uncounted_succeeded, *tally.uncounted_failed}
    for pod in listed:
        if has_finalizer(pod):
            _look(job, pod, tally, known, completions, give_up=give_up)
    if indexes.is_indexed(job):
        tally.succeeded, tally.uncounted_succeeded = len(tally.completed), []
    return tally


def _look(job: Object, pod: Object, tally: Tally, known: set[str], completions: int, *, give_up: bool) -> None:
    uid = pod["metadata"]["uid"]
    phase = podstate.phase(pod)
    room = len(tally.uncounted_succeeded) + len(tally.uncounted_failed) < UNCOUNTED_LIMIT
    if uid in known:
        tally.release.append(pod)
    elif phase == "Succeeded" and room:
        index = indexes.index_of(pod)
        if indexes.is_indexed(job) and index is not None and index < completions:
            tally.completed.add(index)
        tally.uncounted_succeeded.append(uid)
        tally.release.append(pod)
    elif (phase == "Failed" or is_deleting(pod)) and room:
        tally.uncounted_failed.append(uid)
        tally.release.append(pod)
    elif give_up:
        tally.release.append(pod)


def has_finalizer(pod: Object) -> bool:
    """Whether the pod waits to be counted."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())
