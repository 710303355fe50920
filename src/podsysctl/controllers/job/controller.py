"""The loop over Jobs: start pods, count them, retry with growing delays, end.

Source: Kubernetes 1.36 `pkg/controller/job`. Not here: pod failure policies, per-index back-off and success
policies; a Job that has one is run without it and says so in an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from podsysctl.base.clock import format_time, parse_time
from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.controllers import conditions, ownership, podstate, rejections
from podsysctl.controllers.job import indexes, tally
from podsysctl.controllers.podcontrol import from_template
from podsysctl.controllers.podowner import PodOwner, all_done, in_batches
from podsysctl.controllers.rejections import Brake
from podsysctl.controllers.scope import (
    JOBS,
    PODS,
    Object,
    Scope,
    is_deleting,
    key_of,
)

BACKOFF_S = (10.0, 600.0)
"""First and longest delay before a failed pod is replaced."""
BURST = 500
_MANAGER = "kubernetes.io/job-controller"
"""What `managedBy` says of Jobs that are ours; those of another controller are left alone."""
_IGNORED = ("podFailurePolicy", "successPolicy", "backoffLimitPerIndex")


@dataclass(frozen=True, slots=True)
class _End:
    """How a Job ends: Complete or Failed, and why."""

    type: str
    reason: str
    message: str

    @property
    def interim(self) -> str:
        """The condition that is set while pods are still being removed."""
        return "SuccessCriteriaMet" if self.type == "Complete" else "FailureTarget"


_DONE = _End("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
_TOO_MANY = _End("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
_TOO_LONG = _End("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")


class JobController(PodOwner):
    """Runs Jobs."""

    name = "job-controller"
    kind = JOBS

    def __init__(self, scope: Scope) -> None:
        self._strays: dict[str, set[str]] = {}
        """By the key of a Job: pods of one of that name that is gone."""
        self._told: set[str] = set()
        self._refused: dict[str, int] = {}
        super().__init__(scope)

    def owner_gone(self, owner: Object) -> None:
        """A Job was deleted: its pods need not be counted."""
        for pod in self._pods.by_index("controller", owner["metadata"]["uid"]):
            self._strays.setdefault(key_of(owner), set()).add(key_of(pod))
        self._refused.pop(key_of(owner), None)
        self._told.discard(owner["metadata"]["uid"])
        super().owner_gone(owner)

    def pod_changed(self, pod: Object) -> None:
        """Besides, remember pods whose Job is gone."""
        reference = ownership.controller_reference(pod)
        if reference is not None and reference.get("kind") == JOBS.kind and tally.has_finalizer(pod):
            key = f"{pod['metadata']['namespace']}/{reference['name']}"
            if self._is_stray(key, pod):
                self._strays.setdefault(key, set()).add(key_of(pod))
        super().pod_changed(pod)

    async def reconcile(self, key: str) -> None:
        """One step of one Job."""
        found = self._owners.store.get(key)
        await self._release_strays(key)
        if found is None:
            return
        job: Object = {**found, "status": dict(found.get("status") or {})}
        is_ours = job["spec"].get("managedBy") in (None, _MANAGER)
        if ended(job) is not None:
            if is_ours:
                await self._release_all(job)
            await self._expire(key, job)
            return
        if not is_ours:
            return
        self._tell_ignored(job)
        pods = await self.claimed(job)
        now = self.scope.clock.now()
        suspended = bool(job["spec"].get("suspend"))
        counted = tally.count(job, pods, give_up=is_deleting(job))
        active = [pod for pod in pods if podstate.is_active(pod)]
        if "startTime" not in job["status"] and not suspended:
            job["status"]["startTime"] = format_time(now)
        end = self._verdict(job, counted, active, now)
        failure: PodsysctlError | None = None
        brake = None if end is not None else rejections.look(pods, 1, now)
        if self._expectations.satisfied(key) and not is_deleting(job):
            try:
                if end is not None or suspended:
                    await all_done(self.delete_pod(key, job, pod) for pod in active)
                else:
                    await self._manage(key, job, pods, active, counted, brake)
            except PodsysctlError as error:
                failure = error
        self._tell(key, job, brake)
        await self._write_status(key, job, pods, counted, end, brake)
        await all_done(self._release(pod) for pod in counted.release)
        if failure is not None:
            raise failure

    def _tell_ignored(self, job: Object) -> None:
        used = [name for name in _IGNORED if job["spec"].get(name) is not None]
        if used and job["metadata"]["uid"] not in self._told:
            self._told.add(job["metadata"]["uid"])
            text = f"not honoured by this controller: {', '.join(used)}"
            self._recorder.event(job, "Warning", "Unsupported", text)

    def _verdict(self, job: Object, counted: tally.Tally, active: Sequence[Object], now: datetime) -> _End | None:
        """Whether the Job has reached its end."""
        interim = next((c for c in (_DONE, _TOO_MANY, _TOO_LONG) if _has(job, c.interim, c.reason)), None)
        if interim is not None:
            return interim
        spec = job["spec"]
        limit = 6 if spec.get("backoffLimit") is None else int(spec["backoffLimit"])
        if counted.all_failed > limit or self._restarted_too_often(job, active, limit):
            return _TOO_MANY
        if _past_deadline_s(job, now) == 0:
            return _TOO_LONG
        completions = spec.get("completions")
        if completions is None:
            return _DONE if counted.all_succeeded and not active else None
        return _DONE if counted.all_succeeded >= int(completions) else None

    def _restarted_too_often(self, job: Object, active: Sequence[Object], limit: int) -> bool:
        """Containers that restart in place count as well, for restartPolicy OnFailure."""
        if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        total = sum(podstate.restarts(pod) for pod in active)
        return total > 0 if limit == 0 else total >= limit

    async def _manage(
        self,
        key: str,
        job: Object,
        pods: Sequence[Object],
        active: Sequence[Object],
        counted: tally.Tally,
        brake: Brake | None,
    ) -> None:
        wanted = _wanted_active(job, counted, len(active))
        if len(active) > wanted:
            surplus = sorted(active, key=lambda pod: podstate.deletion_order(pod, 0))
            await all_done(self.delete_pod(key, job, pod) for pod in surplus[: len(active) - wanted])
            return
        missing = min(wanted - len(active), BURST)
        if missing <= 0:
            return
        wait_s = max(backoff_s(pods, counted, self.scope.clock.now()), brake.wait_s if brake else 0.0)
        if wait_s > 0:
            self.queue.add_after(key, wait_s)
            return
        if brake is not None:
            missing = min(missing, brake.allowed)
        chosen: Sequence[int | None] = [None] * missing
        if indexes.is_indexed(job):
            running = [index for pod in active if (index := indexes.index_of(pod)) is not None]
            chosen = indexes.next_free(
                missing, [*counted.completed, *running], int(job["spec"].get("completions") or 0)
            )

        async def one(index: int | None) -> None:
            await self.create_pod(key, job, _pod(job, index))

        await in_batches(chosen, one)

    def _tell(self, key: str, job: Object, brake: Brake | None) -> None:
        """One event for each attempt that the nodes refused."""
        if brake is None:
            self._refused.pop(key, None)
        elif brake.wait_s and self._refused.get(key) != brake.attempts:
            self._refused[key] = brake.attempts
            self._recorder.event(job, "Warning", rejections.REASON, brake.message)

    async def _write_status(
        self,
        key: str,
        job: Object,
        pods: Sequence[Object],
        counted: tally.Tally,
        end: _End | None,
        brake: Brake | None,
    ) -> None:
        before = self._owners.store.get(key, {}).get("status") or {}
        active = [pod for pod in pods if podstate.is_active(pod)]
        terminating = [pod for pod in pods if is_deleting(pod) and not podstate.is_finished(pod)]
        status = {**job["status"], **counted.to_status(job)}
        numbers = {
            "active": len(active),
            "ready": sum(podstate.is_ready(pod) for pod in active),
            "terminating": len(terminating),
        }
        for name, value in numbers.items():
            if value or name != "active":
                status[name] = value
            else:
                status.pop(name, None)
        now = self.scope.now()
        self._set_suspended(job, status, now)
        if brake is not None:
            conditions.put(status, _condition("ReplicaFailure", rejections.REASON, brake.message, now))
        elif end is None:
            conditions.drop(status, "ReplicaFailure")
        uncounted = counted.uncounted_succeeded or counted.uncounted_failed
        if end is not None:
            conditions.put(status, _condition(end.interim, end.reason, end.message, now))
            if not active and not terminating and not uncounted and not counted.release:
                self._finish(job, status, end, now)
        if status != before:
            await self.client.update(JOBS, {**job, "status": status}, "status")
        elif (left_s := _past_deadline_s(job, self.scope.clock.now())) is not None:
            self.queue.add_after(key, left_s)

    def _set_suspended(self, job: Object, status: Object, now: str) -> None:
        suspended = bool(job["spec"].get("suspend"))
        known = conditions.find(status, "Suspended")
        if suspended == (known is not None and known.get("status") == "True"):
            return
        reason, text = ("JobSuspended", "Job suspended") if suspended else ("JobResumed", "Job resumed")
        value = "True" if suspended else "False"
        made = {
            "type": "Suspended",
            "status": value,
            "lastProbeTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": text,
        }
        conditions.put(status, made)
        self._recorder.event(job, "Normal", reason.removeprefix("Job"), text)
        if suspended:
            status.pop("startTime", None)
        else:
            status["startTime"] = now

    def _finish(self, job: Object, status: Object, end: _End, now: str) -> None:
        conditions.put(status, _condition(end.type, end.reason, end.message, now))
        if end.type == "Complete":
            status["completionTime"] = now
            self._recorder.event(job, "Normal", "Completed", "Job completed")
        else:
            self._recorder.event(job, "Warning", end.reason, end.message)

    async def _release(self, pod: Object) -> None:
        """Take our finalizer off a counted pod."""
        metadata = pod["metadata"]
        if not tally.has_finalizer(pod):
            return
        patch = {"metadata": {"uid": metadata["uid"], "$deleteFromPrimitiveList/finalizers": [tally.FINALIZER]}}
        try:
            await self.client.patch(
                PODS, metadata["name"], patch, namespace=metadata["namespace"], patch_type="strategic"
            )
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    def _is_stray(self, key: str, pod: Object) -> bool:
        job = self._owners.store.get(key)
        return job is None or not ownership.is_controlled_by(pod, job)

    async def _release_strays(self, key: str) -> None:
        """Pods of a Job that is gone must not wait to be counted."""
        for name in self._strays.pop(key, ()):
            pod = self._pods.store.get(name)
            if pod is not None and self._is_stray(key, pod):
                await self._release(pod)

    async def _release_all(self, job: Object) -> None:
        """Nothing runs on after the end."""
        for pod in self._pods.by_index("controller", job["metadata"]["uid"]):
            await self._release(pod)

    async def _expire(self, key: str, job: Object) -> None:
        """Delete an ended Job whose time to live is over, whoever manages it (upstream's controller of its own)."""
        limit, end = job["spec"].get("ttlSecondsAfterFinished"), ended(job)
        if limit is None or is_deleting(job) or end is None:
            return
        age_s = (self.scope.clock.now() - parse_time(end["lastTransitionTime"])).total_seconds()
        if age_s < int(limit):
            self.queue.add_after(key, int(limit) - age_s)
            return
        metadata = job["metadata"]
        try:
            await self.client.delete(
                JOBS, metadata["name"], metadata["namespace"], uid=metadata["uid"], propagation="Foreground"
            )
        except StatusError as error:
            if error.code not in (404, 409):
                raise


def ended(job: Object) -> Object | None:
    """The condition that ended a Job."""
    status = job.get("status") or {}
    for type in ("Complete", "Failed"):
        if conditions.is_true(status, type):
            return conditions.find(status, type)
    return None


def _has(job: Object, type: str, reason: str) -> bool:
    found = conditions.find(job["status"], type)
    return found is not None and found.get("status") == "True" and found.get("reason") == reason


def _condition(type: str, reason: str, message: str, now: str) -> Object:
    return {
        "type": type,
        "status": "True",
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def _wanted_active(job: Object, counted: tally.Tally, active: int) -> int:
    """How many pods should be running."""
    spec = job["spec"]
    parallelism = 1 if spec.get("parallelism") is None else int(spec["parallelism"])
    completions = spec.get("completions")
    if completions is None:
        return active if counted.all_succeeded else parallelism
    return max(0, min(parallelism, int(completions) - counted.all_succeeded))


def _past_deadline_s(job: Object, now: datetime) -> float | None:
    """Seconds until the deadline, 0 when it has passed, None without one."""
    limit, start = job["spec"].get("activeDeadlineSeconds"), job["status"].get("startTime")
    if limit is None or start is None or job["spec"].get("suspend"):
        return None
    return max(0.0, int(limit) - (now - parse_time(start)).total_seconds())


def backoff_s(pods: Sequence[Object], counted: tally.Tally, now: datetime) -> float:
    """Seconds to wait after failures: ten, doubled for each one since the last success."""
    finished = sorted((pod for pod in pods if podstate.is_finished(pod)), key=_finished_at)
    row = 0
    for pod in reversed(finished):
        if podstate.phase(pod) == "Succeeded":
            break
        row += 1
    if not row or not counted.all_failed:
        return 0.0
    first_s, longest_s = BACKOFF_S
    delay_s = min(first_s * 2 ** min(row - 1, 10), longest_s)
    since_s = (now - parse_time(_finished_at(finished[-1]))).total_seconds()
    return max(0.0, float(delay_s) - float(since_s))


def _finished_at(pod: Object) -> str:
    """When a pod ended: its last container's end, else its start, else its creation."""
    status = podstate.status_of(pod)
    ends = [
        ((entry.get("state") or {}).get("terminated") or {}).get("finishedAt")
        for entry in status.get("containerStatuses") or ()
    ]
    known = [end for end in ends if end]
    return str(max(known) if known else status.get("startTime") or pod["metadata"]["creationTimestamp"])


def _pod(job: Object, index: int | None) -> Object:
    """A pod of a Job, which waits to be counted when it has ended."""
    pod = from_template(job["spec"]["template"], JOBS, job)
    pod["metadata"]["finalizers"] = [*(pod["metadata"].get("finalizers") or ()), tally.FINALIZER]
    if index is not None:
        indexes.apply_index(pod, job, index)
    return pod
