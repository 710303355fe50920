"""Rules of Deployments, ReplicaSets, DaemonSets and StatefulSets (Kubernetes 1.36 pkg/apis/apps/validation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names, schema, selectors
from podsysctl.objects.equal import semantic_equal
from podsysctl.objects.selectors import LabelSelector, SelectorError
from podsysctl.objects.validation.fields import Errors, Named, each, forbidden, invalid, not_supported, required
from podsysctl.objects.validation.meta import (
    IMMUTABLE,
    validate_annotations,
    validate_labels,
    validate_metadata,
    validate_selector,
    validate_update_metadata,
)
from podsysctl.objects.validation.numbers import (
    amount_of,
    validate_at_most_everything,
    validate_count_or_share,
    validate_not_negative,
)
from podsysctl.objects.validation.pods.annotations import validate_pod_annotations
from podsysctl.objects.validation.pods.claims import validate_claim_spec
from podsysctl.objects.validation.pods.create import validate_template
from podsysctl.objects.validation.pods.options import PodOptions, options_for

Object = Mapping[str, Any]
_NO_MATCH = "`selector` does not match template `labels`"
_STATEFUL_MUTABLE = (
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "ordinals",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
)
_STATEFUL_TEXT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def template_options(old: Object | None) -> PodOptions:
    """What the template of an existing workload may keep; `old` is that workload's specification."""
    template = (old or {}).get("template") if old is not None else None
    if template is None:
        return PodOptions()
    return options_for(template.get("spec") or {}, template.get("metadata"))


def selector_of(selector: Object | None) -> LabelSelector | None:
    """The selector ready to match, None when it cannot be understood."""
    try:
        return selectors.from_object(selector)
    except SelectorError:
        return None


def template_labels(template: Object) -> dict[str, str]:
    """The labels of a template, in the order of their keys."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    return dict(sorted(labels.items()))


def validate_immutable_selector(new: Object, old: Object, errors: Errors, path: str = "spec.selector") -> None:
    """A selector never changes."""
    kind = schema.builtin("meta/v1.LabelSelector")
    if not semantic_equal(new.get("selector"), old.get("selector"), kind):
        errors.append(invalid(path, selector_json(new.get("selector")), IMMUTABLE))


def selector_json(selector: Object | None) -> Any:
    """A selector as upstream shows it: wire names, in the order of its type."""
    if selector is None:
        return None
    out: dict[str, Any] = {}
    if selector.get("matchLabels"):
        out["matchLabels"] = dict(sorted(selector["matchLabels"].items()))
    rows = selector.get("matchExpressions")
    if rows:
        out["matchExpressions"] = [
            {key: row.get(key) or "" for key in ("key", "operator")}
            | ({"values": row["values"]} if row.get("values") else {})
            for row in rows
        ]
    return out


def _validate_own_selector(spec: Object, what: str, errors: Errors) -> LabelSelector | None:
    selector = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        validate_selector(selector, errors, "spec.selector")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            errors.append(invalid("spec.selector", {}, f"empty selector is invalid for {what}"))
    return selector_of(selector)


def _validate_replica_template(spec: Object, selector: LabelSelector, options: PodOptions, errors: Errors) -> None:
    template = spec.get("template") or {}
    labels = template_labels(template)
    if not selector.empty and not selector.matches(labels):
        errors.append(invalid("spec.template.metadata.labels", labels or None, _NO_MATCH))
    validate_template(template, options, errors, "spec.template")
    validate_restart(template, "ReplicaSet", errors)


def validate_restart(template: Object, what: str, errors: Errors) -> None:
    """Pods of a workload always restart and have no deadline."""
    spec = template.get("spec") or {}
    policy = spec.get("restartPolicy") or ""
    if policy != "Always":
        errors.append(not_supported("spec.template.spec.restartPolicy", Named(policy), ("Always",)))
    if spec.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {what} is not Supported"
        errors.append(forbidden("spec.template.spec.activeDeadlineSeconds", text))


def validate_deployment(obj: Object, errors: Errors) -> None:
    """A new Deployment."""
    validate_metadata(obj.get("metadata") or {}, True, names.name_subdomain, errors)
    _validate_deployment_spec(obj.get("spec") or {}, PodOptions(), errors)


def validate_deployment_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed Deployment."""
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    validate_update_metadata(new, old, errors)
    _validate_deployment_spec(spec, template_options(old_spec), errors)
    validate_immutable_selector(spec, old_spec, errors)


def _validate_deployment_spec(spec: Object, options: PodOptions, errors: Errors) -> None:
    validate_not_negative(spec, "replicas", errors, "spec")
    selector = _validate_own_selector(spec, "deployment", errors)
    if selector is None:
        errors.append(invalid("spec.selector", selector_json(spec.get("selector")), "invalid label selector"))
    else:
        _validate_replica_template(spec, selector, options, errors)
    _validate_deployment_strategy(spec.get("strategy") or {}, errors, "spec.strategy")
    for key in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        validate_not_negative(spec, key, errors, "spec")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))


def _validate_deployment_strategy(strategy: Object, errors: Errors, path: str) -> None:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            errors.append(forbidden(f"{path}.rollingUpdate", text))
    elif kind == "RollingUpdate":
        _validate_rolling_deployment(rolling or {}, errors, f"{path}.rollingUpdate")
    else:
        shown = {"Type": kind, "RollingUpdate": _rolling_json(rolling)}
        errors.append(not_supported(path, shown, ("Recreate", "RollingUpdate")))


def _rolling_json(rolling: Object | None) -> Any:
    if rolling is None:
        return None
    return {"MaxUnavailable": rolling.get("maxUnavailable", 0), "MaxSurge": rolling.get("maxSurge", 0)}


def _show(value: int | str) -> Any:
    return Named(value) if isinstance(value, str) else value


def _validate_rolling_deployment(rolling: Object, errors: Errors, path: str) -> None:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    validate_count_or_share(unavailable, errors, f"{path}.maxUnavailable")
    validate_count_or_share(surge, errors, f"{path}.maxSurge")
    if amount_of(unavailable) == 0 and amount_of(surge) == 0:
        text = "may not be 0 when `maxSurge` is 0"
        errors.append(invalid(f"{path}.maxUnavailable", _show(unavailable), text))
    validate_at_most_everything(unavailable, errors, f"{path}.maxUnavailable")


def validate_replica_set(obj: Object, errors: Errors) -> None:
    """A new ReplicaSet."""
    validate_metadata(obj.get("metadata") or {}, True, names.name_subdomain, errors)
    _validate_replica_set_spec(obj.get("spec") or {}, PodOptions(), errors)


def validate_replica_set_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed ReplicaSet."""
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    validate_update_metadata(new, old, errors)
    _validate_replica_set_spec(spec, template_options(old_spec), errors)
    validate_immutable_selector(spec, old_spec, errors)


def _validate_replica_set_spec(spec: Object, options: PodOptions, errors: Errors) -> None:
    validate_not_negative(spec, "replicas", errors, "spec")
    validate_not_negative(spec, "minReadySeconds", errors, "spec")
    selector = _validate_own_selector(spec, "deployment", errors)
    if selector is None:
        errors.append(invalid("spec.selector", selector_json(spec.get("selector")), "invalid label selector"))
    else:
        _validate_replica_template(spec, selector, options, errors)


def validate_daemon_set(obj: Object, errors: Errors) -> None:
    """A new DaemonSet."""
    validate_metadata(obj.get("metadata") or {}, True, names.name_subdomain, errors)
    _validate_daemon_set_spec(obj.get("spec") or {}, PodOptions(), errors)


def validate_daemon_set_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed DaemonSet."""
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    validate_update_metadata(new, old, errors)
    validate_immutable_selector(spec, old_spec, errors)
    _validate_daemon_set_spec(spec, template_options(old_spec), errors)


def _validate_daemon_set_spec(spec: Object, options: PodOptions, errors: Errors) -> None:
    own = spec.get("selector")
    any_values = options.allow_invalid_selector_values
    validate_selector(own, errors, "spec.selector", any_values=any_values)
    template = spec.get("template") or {}
    labels = template_labels(template)
    selector = selector_of(own)
    if selector is not None and not selector.matches(labels):
        errors.append(invalid("spec.template.metadata.labels", labels or None, _NO_MATCH))
    if own is not None and not own.get("matchLabels") and not own.get("matchExpressions"):
        errors.append(invalid("spec.selector", {}, "empty selector is invalid for daemonset"))
    validate_template(template, options, errors, "spec.template")
    validate_restart(template, "DaemonSet", errors)
    validate_not_negative(spec, "minReadySeconds", errors, "spec")
    strategy = spec.get("updateStrategy") or {}
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind == "RollingUpdate":
        if rolling is None:
            errors.append(required("spec.updateStrategy.rollingUpdate"))
        else:
            _validate_rolling_daemon_set(rolling, errors, "spec.updateStrategy.rollingUpdate")
    elif kind != "OnDelete":
        shown = {"Type": kind, "RollingUpdate": _rolling_json(rolling)}
        errors.append(not_supported("spec.updateStrategy", shown, ("RollingUpdate", "OnDelete")))
    validate_not_negative(spec, "revisionHistoryLimit", errors, "spec")


def _validate_rolling_daemon_set(rolling: Object, errors: Errors, path: str) -> None:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    for check in (validate_count_or_share, validate_at_most_everything):
        check(unavailable, errors, f"{path}.maxUnavailable")
        check(surge, errors, f"{path}.maxSurge")
    has_unavailable, has_surge = amount_of(unavailable) != 0, amount_of(surge) != 0
    if has_unavailable and has_surge:
        text = "may not be set when maxUnavailable is non-zero"
        errors.append(invalid(f"{path}.maxSurge", _show(surge), text))
    elif not has_unavailable and not has_surge:
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def validate_stateful_set(obj: Object, errors: Errors) -> None:
    """A new StatefulSet."""
    validate_metadata(obj.get("metadata") or {}, True, names.name_label, errors)
    _validate_stateful_spec(obj.get("spec") or {}, PodOptions(), errors)


def validate_stateful_set_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed StatefulSet: what names its pods and claims stays as it is."""
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    validate_update_metadata(new, old, errors)
    options = template_options(old_spec)
    known: Errors = []
    _validate_stateful_spec(old_spec, options, known, is_update=True)
    _validate_stateful_spec(spec, options, errors, is_update=True, skip_template=bool(known))
    rest = {key: value for key, value in spec.items() if key not in _STATEFUL_MUTABLE}
    old_rest = {key: value for key, value in old_spec.items() if key not in _STATEFUL_MUTABLE}
    if not semantic_equal(rest, old_rest, schema.builtin("apps/v1.StatefulSetSpec")):
        errors.append(forbidden("spec", _STATEFUL_TEXT))


def _validate_stateful_spec(
    spec: Object, options: PodOptions, errors: Errors, *, is_update: bool = False, skip_template: bool = False
) -> None:
    _validate_stateful_policies(spec, errors)
    if not is_update:
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            validate_claim_spec(claim.get("spec") or {}, errors, f"spec.volumeClaimTemplates[{index}].spec")
    validate_not_negative(spec, "replicas", errors, "spec")
    validate_not_negative(spec, "minReadySeconds", errors, "spec")
    validate_not_negative(spec.get("ordinals") or {}, "start", errors, "spec.ordinals")
    service = spec.get("serviceName") or ""
    if service and not is_update:
        each(errors, "spec.serviceName", service, names.dns_label(service))
    selector = _validate_own_selector(spec, "statefulset", errors)
    template = spec.get("template") or {}
    if selector is None:
        errors.append(invalid("spec.selector", selector_json(spec.get("selector")), ""))
    else:
        labels = template_labels(template)
        if not selector.empty and not selector.matches(labels):
            errors.append(invalid("spec.template.metadata.labels", labels or None, _NO_MATCH))
        _validate_stateful_template(spec, template, options, errors, skip_template)
    validate_restart(template, "StatefulSet", errors)


def _validate_stateful_template(
    spec: Object, template: Object, options: PodOptions, errors: Errors, skip_template: bool
) -> None:
    """The template with what the controller will fill in: host names left out, claims as volumes."""
    pod = {key: value for key, value in (template.get("spec") or {}).items() if key not in ("subdomain", "hostname")}
    claims = [((claim.get("metadata") or {}).get("name") or "") for claim in spec.get("volumeClaimTemplates") or ()]
    if claims:
        made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(claims)]
        pod["volumes"] = made + [v for v in pod.get("volumes") or () if (v.get("name") or "") not in claims]
    filled = {**template, "spec": pod}
    if not skip_template:
        validate_template(filled, options, errors, "spec.template")
    meta = template.get("metadata") or {}
    annotations = meta.get("annotations") or {}
    validate_labels(meta.get("labels"), errors, "spec.template.labels")
    validate_annotations(annotations, errors, "spec.template.annotations")
    validate_pod_annotations(annotations, pod, options, errors, "spec.template.annotations")


def _validate_stateful_policies(spec: Object, errors: Errors) -> None:
    management = spec.get("podManagementPolicy") or ""
    if not management:
        errors.append(required("spec.podManagementPolicy"))
    elif management not in ("OrderedReady", "Parallel"):
        text = "must be 'OrderedReady' or 'Parallel'"
        errors.append(invalid("spec.podManagementPolicy", Named(management), text))
    strategy = spec.get("updateStrategy") or {}
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    path = "spec.updateStrategy"
    shown = None
    if rolling is not None:
        shown = {"Partition": rolling.get("partition") or 0, "MaxUnavailable": rolling.get("maxUnavailable")}
    if not kind:
        errors.append(required(path))
    elif kind == "OnDelete":
        if rolling is not None:
            text = "only allowed for updateStrategy 'RollingUpdate'"
            errors.append(invalid(f"{path}.rollingUpdate", shown, text))
    elif kind != "RollingUpdate":
        text = "must be 'RollingUpdate' or 'OnDelete'"
        errors.append(invalid(path, {"Type": kind, "RollingUpdate": shown}, text))
    elif rolling is not None:
        validate_not_negative(rolling, "partition", errors, f"{path}.rollingUpdate")
        _validate_stateful_unavailable(rolling.get("maxUnavailable"), errors, f"{path}.rollingUpdate.maxUnavailable")
    for key in ("whenDeleted", "whenScaled"):
        policy = (spec.get("persistentVolumeClaimRetentionPolicy") or {}).get(key) or ""
        if policy not in ("Retain", "Delete"):
            where = f"spec.persistentVolumeClaimRetentionPolicy.{key}"
            errors.append(not_supported(where, Named(policy), ("Retain", "Delete")))


def _validate_stateful_unavailable(value: int | str | None, errors: Errors, path: str) -> None:
    if value is None:
        return
    validate_count_or_share(value, errors, path)
    if amount_of(value) == 0:
        errors.append(invalid(path, _show(value), "cannot be 0"))
    validate_at_most_everything(value, errors, path)
