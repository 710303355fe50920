"""What the server decides about new and changed workloads: no status, generation, a job's own selector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from podsysctl.objects import schema
from podsysctl.objects.equal import semantic_equal
from podsysctl.objects.strategy.pods import drop_disabled_fields
from podsysctl.objects.strategy.zeros import zero
from podsysctl.objects.warnings import claim_warnings, hostname_warning, template_warnings

Object = dict[str, Any]

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_PACKAGES = {
    "Deployment": "apps/v1.",
    "ReplicaSet": "apps/v1.",
    "DaemonSet": "apps/v1.",
    "StatefulSet": "apps/v1.",
    "Job": "batch/v1.",
    "CronJob": "batch/v1.",
}
_JOB_NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
_JOB_UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_NAMES_PODS = "Pod names and hostnames"
_MANY_INDEXES = 100_000
_MANY_PODS = 10_000


def template_of(kind: str, obj: Mapping[str, Any]) -> Object:
    """The pod template of a workload."""
    spec = obj.get("spec") or {}
    if kind == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template: Object = spec.get("template") or {}
    return template


def prepare_create(kind: str, obj: Object) -> None:
    """A new workload has no status and is of the first generation."""
    spec = obj["spec"]
    if kind == "Job" and not spec.get("manualSelector"):
        _generate_selector(obj)
    obj["status"] = zero(_PACKAGES[kind] + kind + "Status")
    obj["metadata"]["generation"] = 1
    if kind == "DaemonSet":
        annotations = obj["metadata"].setdefault("annotations", {})
        if _number(annotations.get(TEMPLATE_GENERATION)) < 1:
            annotations[TEMPLATE_GENERATION] = "1"
        _complete_rolling(spec)
    drop_disabled_fields(template_of(kind, obj).get("spec") or {}, None)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.lstrip("-").isdecimal() and text.isascii() else 0


def _complete_rolling(spec: Object) -> None:
    """Upstream's own form of a DaemonSet has both numbers whenever it has one."""
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate")
    if rolling is not None:
        for key in ("maxUnavailable", "maxSurge"):
            rolling.setdefault(key, 0)


def _generate_selector(obj: Object) -> None:
    meta, spec = obj["metadata"], obj["spec"]
    template = spec.setdefault("template", {})
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    for key in _JOB_NAME_LABELS:
        labels.setdefault(key, meta.get("name") or "")
    for key in _JOB_UID_LABELS:
        labels.setdefault(key, meta["uid"])
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault(_JOB_UID_LABELS[1], meta["uid"])


def prepare_update(kind: str, obj: Object, old: Object) -> None:
    """A changed workload keeps its status and counts changes of its specification."""
    obj.pop("status", None)
    if old.get("status") is not None:
        obj["status"] = old["status"]
    template, old_template = template_of(kind, obj), template_of(kind, old)
    drop_disabled_fields(template.get("spec") or {}, old_template.get("spec") or {})
    meta, old_meta = obj["metadata"], old["metadata"]
    changed = not semantic_equal(obj["spec"], old["spec"], schema.builtin(_PACKAGES[kind] + kind + "Spec"))
    if kind == "Deployment":
        changed = changed or (meta.get("annotations") or {}) != (old_meta.get("annotations") or {})
    if kind == "DaemonSet":
        _complete_rolling(obj["spec"])
        count = _number((old_meta.get("annotations") or {}).get(TEMPLATE_GENERATION))
        if not semantic_equal(template, old_template, schema.builtin("core/v1.PodTemplateSpec")):
            count, changed = count + 1, True
        if count:
            meta.setdefault("annotations", {})[TEMPLATE_GENERATION] = str(count)
        else:
            (meta.get("annotations") or {}).pop(TEMPLATE_GENERATION, None)
    if changed:
        meta["generation"] = (old_meta.get("generation") or 0) + 1


def prepare_status_update(kind: str, obj: Object, old: Object) -> None:
    """An update of the status leaves the specification alone."""
    obj["spec"] = old["spec"]
    if kind == "Deployment":
        obj["metadata"].pop("labels", None)
        if old["metadata"].get("labels"):
            obj["metadata"]["labels"] = old["metadata"]["labels"]


def create_warnings(kind: str, obj: Object) -> list[str]:
    """What a client hears about a new workload."""
    out: list[str] = []
    if kind in ("Deployment", "ReplicaSet", "Job", "CronJob"):
        out += hostname_warning(obj["metadata"].get("name") or "", _NAMES_PODS)
    return out + list(_spec_warnings(kind, obj, None))


def update_warnings(kind: str, obj: Object, old: Object) -> list[str]:
    """What a client hears about a changed workload; its template is looked at only when that counts as a change."""
    return list(_spec_warnings(kind, obj, old))


def _spec_warnings(kind: str, obj: Object, old: Object | None) -> Iterator[str]:
    spec, path = obj["spec"], "spec.jobTemplate.spec" if kind == "CronJob" else "spec"
    counter: Callable[[Object], Any] = _template_generation if kind == "DaemonSet" else _generation
    if old is None or counter(obj) != counter(old):
        if kind in ("Job", "CronJob"):
            yield from _index_warnings(obj["spec"] if kind == "Job" else spec["jobTemplate"]["spec"], path)
        yield from template_warnings(template_of(kind, obj), f"{path}.template")
    if kind == "StatefulSet":
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            where = f"spec.volumeClaimTemplates[{index}]"
            yield from claim_warnings(claim.get("spec") or {}, where if old is None else f"{where}.Spec")
        limit = spec.get("revisionHistoryLimit")
        if limit is not None and limit < 0:
            text = "a negative value retains all historical revisions; a value >= 0 is recommended"
            yield f"spec.revisionHistoryLimit: {text}"
    if kind == "CronJob" and old is not None and "TZ" in (spec.get("schedule") or ""):
        link = "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/"
        yield (f"cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see {link} for more details")


def _generation(obj: Object) -> Any:
    return obj["metadata"].get("generation") or 0


def _template_generation(obj: Object) -> Any:
    return (obj["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION)


def _index_warnings(spec: Object, path: str) -> Iterator[str]:
    if spec.get("completionMode") != "Indexed":
        return
    if (spec.get("completions") or 0) > _MANY_INDEXES and (spec.get("parallelism") or 0) > _MANY_PODS:
        yield (
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
