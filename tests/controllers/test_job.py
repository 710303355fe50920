"""Jobs against a real API server; the tests decide how pods end."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from podsysctl.base.clock import SystemClock, format_time
from podsysctl.controllers.job import indexes
from podsysctl.controllers.job.controller import JobController
from podsysctl.controllers.job.tally import FINALIZER
from podsysctl.controllers.scope import JOBS, PODS
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]


@contextlib.asynccontextmanager
async def jobs() -> AsyncIterator[Cluster]:
    """A cluster of one node that runs Jobs."""
    async with running(JobController) as cluster:
        await cluster.add_node("n1")
        yield cluster


def job(restart: str = "Never", **spec: Any) -> Object:
    """A Job of one container."""
    template = {
        "spec": {
            "restartPolicy": restart,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "one"}],
        }
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "default"},
        "spec": {"template": template, **spec},
    }


async def finish(cluster: Cluster, pod: Object, phase: str = "Succeeded", ago_s: float = 0) -> None:
    """End a pod."""
    code = 0 if phase == "Succeeded" else 1
    ended = format_time(SystemClock().now() - timedelta(seconds=ago_s))
    state = {"terminated": {"exitCode": code, "startedAt": ended, "finishedAt": ended}}
    status = {"name": "c", "ready": False, "restartCount": 0, "image": "one", "imageID": "x", "state": state}
    ready = {"type": "Ready", "status": "False", "reason": "PodCompleted"}
    await cluster.set_status(pod, {"phase": phase, "conditions": [ready], "containerStatuses": [status]})


async def running_pods(cluster: Cluster, count: int) -> list[Object]:
    """Wait until exactly so many pods run."""

    async def enough() -> Any:
        found = [p for p in await cluster.pods() if (p.get("status") or {}).get("phase") == "Running"]
        return (found,) if len(found) == count else None

    result: list[Object] = (await cluster.until(enough))[0]
    return result


async def condition(cluster: Cluster, type: str, value: str = "True") -> Object:
    """Wait for a condition of the Job; its status."""

    async def there() -> Any:
        status = ((await cluster.get(JOBS, "j")) or {}).get("status") or {}
        listed = status.get("conditions") or []
        return status if any(c["type"] == type and c["status"] == value for c in listed) else None

    result: Object = await cluster.until(there)
    return result


def of(status: Object, type: str) -> Object:
    """A condition without times."""
    found = next(c for c in status["conditions"] if c["type"] == type)
    return {k: v for k, v in found.items() if not k.startswith("last")}


async def test_job_completes_and_lets_its_pods_go() -> None:
    """Two completions, one after the other; the counters are right and no finalizer is left."""
    async with jobs() as cluster:
        await cluster.client.create(JOBS, job(completions=2))
        first = (await running_pods(cluster, 1))[0]
        assert FINALIZER in first["metadata"]["finalizers"]
        assert first["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "j"
        await finish(cluster, first)
        await finish(cluster, (await running_pods(cluster, 1))[0])
        status = await condition(cluster, "Complete")
        assert status["succeeded"] == 2
        assert "active" not in status
        assert status["completionTime"]
        assert of(status, "Complete") == {
            "type": "Complete",
            "status": "True",
            "reason": "CompletionsReached",
            "message": "Reached expected number of succeeded pods",
        }
        assert all(not p["metadata"].get("finalizers") for p in await cluster.pods())
        assert (await cluster.until(lambda: cluster.events("Completed")))[0]["message"] == "Job completed"


async def test_job_beyond_backoff_limit_fails_with_upstreams_words() -> None:
    """Failures count once each; the one beyond the limit ends the Job."""
    async with jobs() as cluster:
        await cluster.client.create(JOBS, job(backoffLimit=1))
        for _ in range(2):
            await finish(cluster, (await running_pods(cluster, 1))[0], "Failed", ago_s=60)
        status = await condition(cluster, "Failed")
        assert status["failed"] == 2
        assert of(status, "Failed") == {
            "type": "Failed",
            "status": "True",
            "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit",
        }
        assert of(status, "FailureTarget")["reason"] == "BackoffLimitExceeded"


async def test_indexed_job_runs_every_index_once() -> None:
    """Each index has a pod with its name, annotation and variable; done ones are listed in short."""
    async with jobs() as cluster:
        await cluster.client.create(JOBS, job(completions=3, parallelism=3, completionMode="Indexed"))
        pods = await running_pods(cluster, 3)
        assert sorted(p["metadata"]["annotations"][indexes.INDEX] for p in pods) == ["0", "1", "2"]
        assert sorted(p["spec"]["hostname"] for p in pods) == ["j-0", "j-1", "j-2"]
        assert all(p["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX" for p in pods)
        for pod in pods:
            await finish(cluster, pod)
        status = await condition(cluster, "Complete")
        assert (status["completedIndexes"], status["succeeded"]) == ("0-2", 3)


async def test_job_suspended_stops_and_resumes() -> None:
    """A suspended Job has no pods and says so."""
    async with jobs() as cluster:
        await cluster.client.create(JOBS, job(suspend=True))
        assert of(await condition(cluster, "Suspended"), "Suspended")["message"] == "Job suspended"
        assert await cluster.pods() == []
        await cluster.client.patch(JOBS, "j", {"spec": {"suspend": False}}, namespace="default")
        await running_pods(cluster, 1)
        assert of(await condition(cluster, "Suspended", "False"), "Suspended")["reason"] == "JobResumed"
        await cluster.client.patch(JOBS, "j", {"spec": {"suspend": True}}, namespace="default")
        await condition(cluster, "Suspended")
        await running_pods(cluster, 0)


async def test_job_past_its_deadline_fails_and_stops_its_pods() -> None:
    """The deadline counts from the start of the Job."""
    async with jobs() as cluster:
        await cluster.client.create(JOBS, job(activeDeadlineSeconds=1))
        await running_pods(cluster, 1)
        status = await condition(cluster, "Failed")
        assert of(status, "Failed")["message"] == "Job was active longer than specified deadline"
        await running_pods(cluster, 0)


async def test_job_goes_when_its_time_after_the_end_is_over() -> None:
    """ttlSecondsAfterFinished deletes the Job."""
    async with jobs() as cluster:
        await cluster.client.create(JOBS, job(ttlSecondsAfterFinished=0))
        await finish(cluster, (await running_pods(cluster, 1))[0])

        async def gone() -> bool:
            found = await cluster.get(JOBS, "j")
            return found is None or bool(found["metadata"].get("deletionTimestamp"))

        await cluster.until(gone)


async def test_job_deleted_leaves_no_pod_that_waits_to_be_counted() -> None:
    """Pods of a deleted Job lose the finalizer."""
    async with jobs() as cluster:
        await cluster.client.create(JOBS, job())
        await running_pods(cluster, 1)
        await cluster.client.delete(JOBS, "j", "default", propagation="Background")

        async def released() -> bool:
            found = (await cluster.client.list(PODS, "default")).items
            return all(not p["metadata"].get("finalizers") for p in found)

        await cluster.until(released)


async def test_job_managed_by_another_controller_is_left_alone() -> None:
    """It gets no pod and no status; one that names this controller runs, and the end's time to live counts for both."""
    async with jobs() as cluster:
        await cluster.client.create(JOBS, job(managedBy="example.com/other", ttlSecondsAfterFinished=0))
        ours = job(managedBy="kubernetes.io/job-controller")
        ours["metadata"]["name"] = "ours"
        await cluster.client.create(JOBS, ours)
        [pod] = await running_pods(cluster, 1)
        assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "ours"
        found = await cluster.get(JOBS, "j")
        assert found is not None
        assert not found.get("status")

        ended = format_time(SystemClock().now())
        types = ("SuccessCriteriaMet", "Complete")
        conditions = [{"type": type, "status": "True", "lastTransitionTime": ended} for type in types]
        status = {"startTime": ended, "completionTime": ended, "conditions": conditions}
        await cluster.client.patch(JOBS, "j", {"status": status}, namespace="default", subresource="status")

        async def gone() -> bool:
            left = await cluster.get(JOBS, "j")
            return left is None or bool(left["metadata"].get("deletionTimestamp"))

        await cluster.until(gone)


async def test_job_refused_for_a_sysctl_says_so() -> None:
    """The condition and the event name the sysctl; pods are not started at once again."""
    async with jobs() as cluster:
        cluster.rejecting = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
        await cluster.client.create(JOBS, job())
        status = await condition(cluster, "ReplicaFailure")
        assert of(status, "ReplicaFailure")["reason"] == "SysctlForbidden"
        assert 'forbidden sysctl: "kernel.msgmax" not allowlisted' in of(status, "ReplicaFailure")["message"]
        assert await cluster.until(lambda: cluster.events("SysctlForbidden"))
        assert cluster.refusals == 1


def test_indexes_short_form_goes_both_ways() -> None:
    """As completedIndexes are written and read."""
    assert indexes.show([0, 1, 2, 4, 6, 7]) == "0-2,4,6,7"
    assert indexes.parse("0-2,4,6,7,99", 8) == {0, 1, 2, 4, 6, 7}
