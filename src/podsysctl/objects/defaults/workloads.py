"""Defaults of apps and batch kinds (Kubernetes 1.36 pkg/apis/apps/v1 and pkg/apis/batch/v1 defaults.go)."""

from __future__ import annotations

from typing import Any

from podsysctl.objects.defaults.fill import child, fill, fill_null, items
from podsysctl.objects.defaults.pods import default_claim_spec, default_template

_LARGEST_INT32 = (1 << 31) - 1


def default_deployment(deployment: dict[str, Any]) -> None:
    """One replica, rolling update of a quarter at a time, ten old revisions."""
    spec = child(deployment, "spec")
    fill(spec, "replicas", 1)
    strategy = child(spec, "strategy")
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = child(strategy, "rollingUpdate")
        _fill_pointer(rolling, "maxUnavailable", "25%")
        _fill_pointer(rolling, "maxSurge", "25%")
    fill(spec, "revisionHistoryLimit", 10)
    fill(spec, "progressDeadlineSeconds", 600)
    default_template(child(spec, "template"))


def default_replica_set(replica_set: dict[str, Any]) -> None:
    """One replica."""
    spec = child(replica_set, "spec")
    fill(spec, "replicas", 1)
    if spec.get("template") is not None:
        default_template(spec["template"])


def default_daemon_set(daemon_set: dict[str, Any]) -> None:
    """Rolling update of one node at a time, without surge, ten old revisions."""
    spec = child(daemon_set, "spec")
    strategy = child(spec, "updateStrategy")
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = child(strategy, "rollingUpdate")
        _fill_pointer(rolling, "maxUnavailable", 1)
        _fill_pointer(rolling, "maxSurge", 0)
    fill(spec, "revisionHistoryLimit", 10)
    default_template(child(spec, "template"))


def default_stateful_set(stateful_set: dict[str, Any]) -> None:
    """One replica, one after the other, claims kept."""
    spec = child(stateful_set, "spec")
    fill(spec, "podManagementPolicy", "OrderedReady")
    strategy = child(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        child(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        fill(strategy["rollingUpdate"], "partition", 0)
    retention = child(spec, "persistentVolumeClaimRetentionPolicy")
    fill(retention, "whenDeleted", "Retain")
    fill(retention, "whenScaled", "Retain")
    fill(spec, "replicas", 1)
    fill(spec, "revisionHistoryLimit", 10)
    default_template(child(spec, "template"))
    for claim in items(spec, "volumeClaimTemplates"):
        claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
        fill(child(claim, "status"), "phase", "Pending")
        default_claim_spec(child(claim, "spec"))


def default_job(job: dict[str, Any]) -> None:
    """One completion, six retries; the template's labels become the job's when it has none."""
    spec = child(job, "spec")
    _default_job_spec(spec)
    labels = (child(spec, "template").get("metadata") or {}).get("labels")
    metadata = child(job, "metadata")
    if labels and not metadata.get("labels"):
        metadata["labels"] = labels  # one map, as upstream: labels of the generated selector come into both


def _default_job_spec(spec: dict[str, Any]) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    fill(spec, "parallelism", 1)
    fill(spec, "backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _LARGEST_INT32)
    fill_null(spec, "completionMode", "NonIndexed")
    fill(spec, "suspend", False)
    policy = spec.get("podFailurePolicy")
    fill_null(spec, "podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
    fill(spec, "manualSelector", False)
    _default_failure_policy(spec)
    default_template(child(spec, "template"))


def default_cron_job(cron_job: dict[str, Any]) -> None:
    """Runs may overlap; three finished and one failed job are kept."""
    spec = child(cron_job, "spec")
    fill(spec, "concurrencyPolicy", "Allow")
    fill(spec, "suspend", False)
    fill(spec, "successfulJobsHistoryLimit", 3)
    fill(spec, "failedJobsHistoryLimit", 1)
    template = child(spec, "jobTemplate")
    child(template, "metadata")
    job_spec = child(template, "spec")
    _default_failure_policy(job_spec)
    default_template(child(job_spec, "template"))


def _default_failure_policy(spec: dict[str, Any]) -> None:
    for rule in items(spec.get("podFailurePolicy"), "rules"):
        for pattern in items(rule, "onPodConditions"):
            fill(pattern, "status", "True")


def _fill_pointer(obj: dict[str, Any], key: str, value: Any) -> None:
    """Set a field that is absent; unlike `fill` an empty text counts as set."""
    if obj.get(key) is None:
        obj[key] = value
