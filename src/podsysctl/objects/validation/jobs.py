"""Rules of Jobs and CronJobs (Kubernetes 1.36 pkg/apis/batch/validation)."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import Any

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.objects import names, schema
from podsysctl.objects.cronschedule import parse_schedule
from podsysctl.objects.equal import semantic_equal
from podsysctl.objects.internal import internal_json
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    each,
    invalid,
    not_supported,
    required,
    too_long,
)
from podsysctl.objects.validation.jobpolicies import (
    failure_policy_json,
    success_policy_json,
    validate_failure_policy,
    validate_success_policy,
)
from podsysctl.objects.validation.meta import (
    IMMUTABLE,
    validate_metadata,
    validate_selector,
    validate_update_metadata,
)
from podsysctl.objects.validation.numbers import validate_not_negative
from podsysctl.objects.validation.pods.create import validate_template
from podsysctl.objects.validation.pods.options import PodOptions
from podsysctl.objects.validation.workloads import (
    selector_json,
    selector_of,
    template_labels,
    template_options,
    validate_immutable_selector,
)

Object = Mapping[str, Any]
_MODES = ("NonIndexed", "Indexed")
_REPLACEMENT = ("Failed", "TerminatingOrFailed")
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_LONGEST_CRON_NAME = 52
_MANAGED_BY_BYTES = 63
_MOST_PARALLEL = 100_000
_MOST_FAILED = 100_000
_MANY_COMPLETIONS = 100_000
_MOST_WHEN_MANY = 10_000
_GENERATED = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def validate_job(obj: Object, errors: Errors) -> None:
    """A new Job."""
    _validate_job(obj, PodOptions(), True, errors)


def _validate_job(obj: Object, options: PodOptions, prefixed: bool, errors: Errors) -> None:
    meta, spec = obj.get("metadata") or {}, obj.get("spec") or {}
    validate_metadata(meta, True, names.name_subdomain, errors)
    _validate_generated(meta, spec, prefixed, errors)
    validate_job_spec(spec, options, errors, "spec")
    _validate_job_selector(spec, options, errors)
    completions = spec.get("completions")
    if spec.get("completionMode") == "Indexed" and completions is not None and completions > 0:
        name = meta.get("name") or ""
        longest = f"{name}-{completions - 1}"
        if names.dns_label(longest):
            text = f"will not able to create pod with invalid DNS label: {longest}"
            errors.append(invalid("metadata.name", name, text))


def _validate_generated(meta: Object, spec: Object, prefixed: bool, errors: Errors) -> None:
    """The labels and selector that the server made for the job's own pods."""
    if spec.get("manualSelector") or spec.get("selector") is None:
        return
    if not meta.get("uid"):
        errors.append(required("metadata.uid"))
    labels = template_labels(spec.get("template") or {})
    wanted = {
        key: meta.get("uid" if key.endswith("uid") else "name") or ""
        for key in (_GENERATED if prefixed else _GENERATED[:2])
    }
    for key, value in wanted.items():
        path = f"spec.template.metadata.labels[{key}]"
        if key not in labels:
            errors.append(required(path, f"must be '{value}'"))
        elif labels[key] != value:
            errors.append(invalid(path, labels, f"must be '{value}'"))
    selector = selector_of(spec["selector"])
    if selector is not None and not selector.matches(wanted):
        errors.append(invalid("spec.selector", selector_json(spec["selector"]), "`selector` not auto-generated"))


def _validate_job_selector(spec: Object, options: PodOptions, errors: Errors) -> None:
    own = spec.get("selector")
    if own is None:
        errors.append(required("spec.selector"))
    else:
        validate_selector(own, errors, "spec.selector", any_values=options.allow_invalid_selector_values)
    selector = selector_of(own)
    labels = template_labels(spec.get("template") or {})
    if selector is not None and not selector.matches(labels):
        text = "`selector` does not match template `labels`"
        errors.append(invalid("spec.template.metadata.labels", labels or None, text))


def validate_job_spec(spec: Object, options: PodOptions, errors: Errors, path: str) -> None:
    """What Jobs and the job templates of CronJobs share."""
    for key in (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ):
        validate_not_negative(spec, key, errors, path)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        errors.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if spec.get("managedBy") is not None:
        _validate_managed_by(spec["managedBy"], errors, f"{path}.managedBy")
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        errors.append(not_supported(f"{path}.completionMode", Named(mode), _MODES))
    if mode == "Indexed":
        _validate_indexed(spec, errors, path)
    if mode is None or mode == "NonIndexed":
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(key) is not None:
                errors.append(invalid(f"{path}.{key}", spec[key], "requires indexed completion mode"))
    if spec.get("podFailurePolicy") is not None:
        validate_failure_policy(spec, errors, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        if mode != "Indexed":
            shown = success_policy_json(spec["successPolicy"])
            errors.append(invalid(f"{path}.successPolicy", shown, "requires indexed completion mode"))
        else:
            validate_success_policy(spec, errors, f"{path}.successPolicy")
    _validate_replacement(spec, errors, f"{path}.podReplacementPolicy")
    template = spec.get("template") or {}
    validate_template(template, options, errors, f"{path}.template")
    _validate_job_restart(spec, template, errors, f"{path}.template.spec.restartPolicy")


def _validate_managed_by(value: str, errors: Errors, path: str) -> None:
    host, slash, rest = value.partition("/")
    if not value:
        errors.append(required(path))
    elif not (slash and host and rest):
        errors.append(invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    else:
        each(errors, path, host, names.dns_subdomain(host))
        if not re.fullmatch(_HTTP_PATH, rest):
            errors.append(invalid(path, rest, names.regex_error("Invalid path", _HTTP_PATH)))
    if len(value.encode()) > _MANAGED_BY_BYTES:
        errors.append(too_long(path, _MANAGED_BY_BYTES))


def _validate_indexed(spec: Object, errors: Errors, path: str) -> None:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > _MOST_PARALLEL:
        text = f"must be less than or equal to {_MOST_PARALLEL} when completion mode is Indexed"
        errors.append(invalid(f"{path}.parallelism", parallelism, text))
    if completions is not None and failed is not None and failed > completions:
        text = "must be less than or equal to completions"
        errors.append(invalid(f"{path}.maxFailedIndexes", failed, text))
    if failed is not None and failed > _MOST_FAILED:
        errors.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MOST_FAILED}"))
    if completions is None or completions <= _MANY_COMPLETIONS or spec.get("backoffLimitPerIndex") is None:
        return
    if failed is None:
        text = f"must be specified when completions is above {_MANY_COMPLETIONS}"
        errors.append(required(f"{path}.maxFailedIndexes", text))
    for key, value in (("parallelism", parallelism), ("maxFailedIndexes", failed)):
        if value is not None and value > _MOST_WHEN_MANY:
            text = (
                f"must be less than or equal to {_MOST_WHEN_MANY} when completions are above {_MANY_COMPLETIONS} "
                "and used with backoff limit per index"
            )
            errors.append(invalid(f"{path}.{key}", value, text))


def _validate_replacement(spec: Object, errors: Errors, path: str) -> None:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return
    supported = _REPLACEMENT if spec.get("podFailurePolicy") is None else ("Failed",)
    if policy not in supported:
        errors.append(not_supported(path, Named(policy), supported))


def _validate_job_restart(spec: Object, template: Object, errors: Errors, path: str) -> None:
    policy = (template.get("spec") or {}).get("restartPolicy") or ""
    if policy in ("Always", ""):
        errors.append(required(path, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        errors.append(not_supported(path, Named(policy), ("OnFailure", "Never")))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid(path, Named(policy), text))


def validate_job_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed Job: pods that may be running keep what they were made from."""
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    options = template_options(old_spec)
    labels = template_labels(old_spec.get("template") or {})
    prefixed = all(key in labels for key in _GENERATED[2:])
    _validate_job(new, options, prefixed, errors)
    validate_update_metadata(new, old, errors)
    validate_job_spec(spec, options, errors, "spec")
    _validate_job_selector(spec, options, errors)
    _validate_completions(spec, old_spec, errors)
    validate_immutable_selector(spec, old_spec, errors)
    _validate_template_update(spec, old, errors)
    kind = schema.builtin("batch/v1.JobSpec")
    shown = {"podFailurePolicy": failure_policy_json, "successPolicy": success_policy_json}
    for key in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        value = spec.get(key)
        if not semantic_equal(value, old_spec.get(key), kind.child(key)) and value != old_spec.get(key):
            if value is not None and key in shown:
                value = shown[key](value)
            errors.append(invalid(f"spec.{key}", Named(value) if isinstance(value, str) else value, IMMUTABLE))


def _validate_completions(spec: Object, old: Object, errors: Errors) -> None:
    completions = spec.get("completions")
    if completions == old.get("completions"):
        return
    if spec.get("completionMode") != "Indexed":
        errors.append(invalid("spec.completions", completions, IMMUTABLE))
    elif completions is not None and completions != spec.get("parallelism"):
        text = "can only be modified in tandem with spec.parallelism"
        errors.append(invalid("spec.completions", completions, text))


def _validate_template_update(spec: Object, old: Object, errors: Errors) -> None:
    """The template is fixed, but for where pods may run and what they ask for while the job is suspended."""
    old_spec = old.get("spec") or {}
    template, before = spec.get("template") or {}, old_spec.get("template") or {}
    suspended = bool(old_spec.get("suspend"))
    allowed = suspended and _never_ran(old)
    if allowed:
        before = _with_scheduling(template, before)
    kind = schema.builtin("core/v1.PodTemplateSpec")
    if semantic_equal(template, before, kind):
        return
    if allowed:
        pod, old_pod = template.get("spec") or {}, _with_resources(template.get("spec") or {}, before.get("spec") or {})
        if not semantic_equal(pod, old_pod, schema.builtin("core/v1.PodSpec")):
            errors.append(invalid("spec.template.spec", internal_json("PodSpec", pod), IMMUTABLE))
        return
    errors.append(invalid("spec.template", internal_json("PodTemplateSpec", template), IMMUTABLE))


def _never_ran(old: Object) -> bool:
    """Whether a suspended job has no pods any more, so that its template may still change."""
    status = old.get("status") or {}
    if status.get("startTime") is None:
        return True
    is_suspended = any(
        c.get("type") == "Suspended" and c.get("status") == "True" for c in status.get("conditions") or ()
    )
    return is_suspended and not status.get("active")


def _with_scheduling(template: Object, before: Object) -> dict[str, Any]:
    spec, old_spec = template.get("spec") or {}, dict(before.get("spec") or {})
    for key in ("nodeSelector", "tolerations", "schedulingGates"):
        old_spec.pop(key, None)
        if spec.get(key) is not None:
            old_spec[key] = spec[key]
    affinity = {k: v for k, v in (old_spec.pop("affinity", None) or {}).items() if k != "nodeAffinity"}
    if (spec.get("affinity") or {}).get("nodeAffinity") is not None:
        affinity["nodeAffinity"] = spec["affinity"]["nodeAffinity"]
    if affinity or spec.get("affinity") == {}:
        old_spec["affinity"] = affinity
    meta = dict(before.get("metadata") or {})
    for key in ("annotations", "labels"):
        meta.pop(key, None)
        if (template.get("metadata") or {}).get(key) is not None:
            meta[key] = template["metadata"][key]
    return {**before, "metadata": meta, "spec": old_spec}


def _with_resources(spec: Object, old: Object) -> dict[str, Any]:
    out = dict(old)
    for list_name in ("containers", "initContainers"):
        new, before = spec.get(list_name) or [], old.get(list_name) or []
        if len(new) == len(before) and new:
            out[list_name] = [
                {**was, "resources": now.get("resources") or {}} if was.get("name") == now.get("name") else was
                for now, was in zip(new, before, strict=True)
            ]
    return out


def validate_cron_job(obj: Object, errors: Errors) -> None:
    """A new CronJob."""
    meta = obj.get("metadata") or {}
    validate_metadata(meta, True, names.name_subdomain, errors)
    _validate_cron_spec(obj.get("spec") or {}, None, errors)
    name = meta.get("name") or ""
    if len(name.encode()) > _LONGEST_CRON_NAME:
        errors.append(invalid("metadata.name", name, f"must be no more than {_LONGEST_CRON_NAME} characters"))


def validate_cron_job_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed CronJob."""
    validate_update_metadata(new, old, errors)
    _validate_cron_spec(new.get("spec") or {}, old.get("spec") or {}, errors)


def _validate_cron_spec(spec: Object, old: Object | None, errors: Errors) -> None:
    if not spec.get("schedule"):
        errors.append(required("spec.schedule"))
    else:
        _validate_schedule(spec, "TZ" in ((old or {}).get("schedule") or ""), errors)
    validate_not_negative(spec, "startingDeadlineSeconds", errors, "spec")
    zone = spec.get("timeZone")
    if zone is not None and (old is None or old.get("timeZone") != zone):
        _validate_time_zone(zone, errors, "spec.timeZone")
    policy = spec.get("concurrencyPolicy") or ""
    if not policy:
        errors.append(required("spec.concurrencyPolicy"))
    elif policy not in _CONCURRENCY:
        errors.append(not_supported("spec.concurrencyPolicy", Named(policy), _CONCURRENCY))
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    options = template_options(((old or {}).get("jobTemplate") or {}).get("spec"))
    validate_job_spec(job, options, errors, "spec.jobTemplate.spec")
    if job.get("selector") is not None:
        text = "`selector` will be auto-generated"
        errors.append(invalid("spec.jobTemplate.spec.selector", selector_json(job["selector"]), text))
    if job.get("manualSelector"):
        errors.append(not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false")))
    validate_not_negative(spec, "successfulJobsHistoryLimit", errors, "spec")
    validate_not_negative(spec, "failedJobsHistoryLimit", errors, "spec")


def _validate_schedule(spec: Object, zone_was_inside: bool, errors: Errors) -> None:
    schedule = spec["schedule"]
    try:
        parse_schedule(schedule)
    except ValueSyntaxError as error:
        errors.append(invalid("spec.schedule", schedule, error.message))
    if "TZ" not in schedule:
        return
    if not zone_was_inside:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(invalid("spec.schedule", schedule, text))
    elif spec.get("timeZone") is not None:
        text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        errors.append(invalid("spec.schedule", schedule, text))


def _validate_time_zone(zone: str, errors: Errors, path: str) -> None:
    shown = Named(zone)
    if not zone:
        errors.append(invalid(path, shown, "timeZone must be nil or non-empty string"))
        return
    for part in zone.split("/"):
        if part in (".", "..") or part.startswith("-") or not re.fullmatch(r"[A-Za-z\.\-_0-9+]{1,14}", part):
            errors.append(invalid(path, shown, f"unknown time zone {zone}"))
            return
    if zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid(path, shown, text))
    if zone in ("Local", "UTC"):
        return
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        errors.append(invalid(path, shown, f"unknown time zone {zone}"))
