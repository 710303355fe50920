"""Tables of workloads. Source: Kubernetes 1.36 `pkg/printers/internalversion/printers.go`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podsysctl.apiserver.tables.base import (
    AGE,
    NAME,
    NONE,
    Column,
    Object,
    Printer,
    age,
    container_cells,
    created,
    label_text,
    meta,
    name,
    section,
    selector_text,
    whole,
    wide,
)
from podsysctl.base.clock import parse_time
from podsysctl.objects import duration

_TEMPLATE = wide("Containers", "Images", "Selector")


def _template(obj: Object, *path: str) -> list[Any]:
    """The three wide columns of kinds with a pod template."""
    cells = container_cells(section(obj, *path, "template", "spec"))
    return [*cells, selector_text(section(obj, *path).get("selector"))]


def _deployment(obj: Object, now: datetime) -> list[Any]:
    spec, state = section(obj, "spec"), section(obj, "status")
    return [
        name(obj),
        f"{whole(state.get('readyReplicas'))}/{whole(spec.get('replicas'))}",
        whole(state.get("updatedReplicas")),
        whole(state.get("availableReplicas")),
        created(obj, now),
        *_template(obj, "spec"),
    ]


def _replica_set(obj: Object, now: datetime) -> list[Any]:
    spec, state = section(obj, "spec"), section(obj, "status")
    numbers = [whole(spec.get("replicas")), whole(state.get("replicas")), whole(state.get("readyReplicas"))]
    return [name(obj), *numbers, created(obj, now), *_template(obj, "spec")]


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    state = section(obj, "status")
    keys = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    return [
        name(obj),
        *(whole(state.get(key)) for key in keys),
        label_text(section(obj, "spec", "template", "spec").get("nodeSelector")),
        created(obj, now),
        *_template(obj, "spec"),
    ]


def _stateful_set(obj: Object, now: datetime) -> list[Any]:
    spec, state = section(obj, "spec"), section(obj, "status")
    ready = f"{whole(state.get('readyReplicas'))}/{whole(spec.get('replicas'))}"
    return [name(obj), ready, created(obj, now), *container_cells(section(obj, "spec", "template", "spec"))]


def _job(obj: Object, now: datetime) -> list[Any]:
    spec, state = section(obj, "spec"), section(obj, "status")
    succeeded, parallelism = whole(state.get("succeeded")), whole(spec.get("parallelism"))
    if spec.get("completions") is not None:
        completions = f"{succeeded}/{spec['completions']}"
    else:
        completions = f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"
    return [
        name(obj),
        _job_status(obj, state),
        completions,
        _job_duration(state, now),
        created(obj, now),
        *_template(obj, "spec"),
    ]


def _job_status(obj: Object, state: Object) -> str:
    true = {c.get("type") for c in state.get("conditions") or () if c.get("status") == "True"}
    for condition in ("Complete", "Failed"):
        if condition in true:
            return condition
    if meta(obj).get("deletionTimestamp"):
        return "Terminating"
    return next((c for c in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if c in true), "Running")


def _job_duration(state: Object, now: datetime) -> str:
    if not state.get("startTime"):
        return ""
    end = parse_time(state["completionTime"]) if state.get("completionTime") else now
    return duration.human_duration((end - parse_time(state["startTime"])).total_seconds())


def _cron_job(obj: Object, now: datetime) -> list[Any]:
    spec, state = section(obj, "spec"), section(obj, "status")
    suspend = spec.get("suspend")
    return [
        name(obj),
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        "<unset>" if suspend is None else "True" if suspend else "False",
        len(state.get("active") or ()),
        age(state["lastScheduleTime"], now) if state.get("lastScheduleTime") else NONE,
        created(obj, now),
        *_template(obj, "spec", "jobTemplate", "spec"),
    ]


def _revision(obj: Object, now: datetime) -> list[Any]:
    owner = next((o for o in meta(obj).get("ownerReferences") or () if o.get("controller")), None)
    shown = NONE
    if owner is not None:
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        kind = f"{owner.get('kind', '')}.{group}" if group else str(owner.get("kind", ""))
        shown = f"{kind.lower()}/{owner.get('name', '')}"
    return [name(obj), shown, whole(obj.get("revision")), created(obj, now)]


DEPLOYMENT = Printer(
    (NAME, Column("Ready"), Column("Up-to-date"), Column("Available"), AGE, *_TEMPLATE), _deployment
)
REPLICA_SET = Printer(
    (NAME, Column("Desired", "integer"), Column("Current", "integer"), Column("Ready", "integer"), AGE, *_TEMPLATE),
    _replica_set,
)
DAEMON_SET = Printer(
    (
        NAME,
        Column("Desired", "integer"),
        Column("Current", "integer"),
        Column("Ready", "integer"),
        Column("Up-to-date", "integer"),
        Column("Available", "integer"),
        Column("Node Selector"),
        AGE,
        *_TEMPLATE,
    ),
    _daemon_set,
)
STATEFUL_SET = Printer((NAME, Column("Ready"), AGE, *wide("Containers", "Images")), _stateful_set)
JOB = Printer((NAME, Column("Status"), Column("Completions"), Column("Duration"), AGE, *_TEMPLATE), _job)
CRON_JOB = Printer(
    (
        NAME,
        Column("Schedule"),
        Column("Timezone"),
        Column("Suspend", "boolean"),
        Column("Active", "integer"),
        Column("Last Schedule"),
        AGE,
        *_TEMPLATE,
    ),
    _cron_job,
)
REVISION = Printer((NAME, Column("Controller"), Column("Revision"), AGE), _revision)
