"""Rules of PodDisruptionBudgets, PriorityClasses and Leases (Kubernetes 1.36)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.conditions import validate_conditions
from podsysctl.objects.validation.fields import Errors, Named, each, forbidden, invalid, not_supported, required
from podsysctl.objects.validation.meta import (
    IMMUTABLE,
    validate_metadata,
    validate_metadata_update,
    validate_selector,
    validate_update_metadata,
)
from podsysctl.objects.validation.numbers import (
    validate_at_most_everything,
    validate_count_or_share,
    validate_not_negative,
)
from podsysctl.objects.validation.workloads import selector_json

Object = Mapping[str, Any]

HIGHEST_USER_PRIORITY = 1_000_000_000
_SYSTEM_PREFIX = "system-"
_SYSTEM_PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
_PREEMPTION = ("PreemptLowerPriority", "Never")
_EVICTION = ("AlwaysAllow", "IfHealthyBudget")
_BUDGET_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_LEASE_STRATEGIES = ("OldestEmulationVersion",)


def validate_budget(obj: Object, errors: Errors, old: Object | None = None) -> None:
    """A new PodDisruptionBudget, or one that replaces `old`."""
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        errors.append(invalid("spec", _budget_json(spec), "minAvailable and maxUnavailable cannot be both set"))
    for key, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            validate_count_or_share(value, errors, f"spec.{key}")
            validate_at_most_everything(value, errors, f"spec.{key}")
    any_values = _has_bad_values(((old or {}).get("spec") or {}).get("selector"))
    validate_selector(spec.get("selector"), errors, "spec.selector", any_values=any_values)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTION:
        errors.append(not_supported("spec.unhealthyPodEvictionPolicy", Named(policy), _EVICTION))


def _budget_json(spec: Object) -> dict[str, Any]:
    """A specification as upstream's internal type shows it."""
    return {
        "MinAvailable": spec.get("minAvailable"),
        "Selector": selector_json(spec.get("selector")),
        "MaxUnavailable": spec.get("maxUnavailable"),
        "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
    }


def _has_bad_values(selector: Object | None) -> bool:
    rows = (selector or {}).get("matchExpressions") or ()
    return any(names.label_value(value) for row in rows for value in row.get("values") or ())


def validate_budget_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed PodDisruptionBudget."""
    validate_budget(new, errors, old)


def validate_budget_status_update(new: Object, old: Object, errors: Errors) -> None:
    """A PodDisruptionBudget whose status changes."""
    status = new.get("status") or {}
    validate_conditions(status.get("conditions") or (), errors, "status.conditions")
    for key in _BUDGET_COUNTS:
        validate_not_negative(status, key, errors, "status")


def validate_priority_class(obj: Object, errors: Errors) -> None:
    """A new PriorityClass."""
    meta = obj.get("metadata") or {}
    validate_metadata(meta, False, names.name_subdomain, errors)
    name, value = meta.get("name") or "", obj.get("value") or 0
    if name.startswith(_SYSTEM_PREFIX):
        problem = _system_priority_problem(name, value, bool(obj.get("globalDefault")))
        if problem:
            text = "priority class names with 'system-' prefix are reserved for system use only. error: "
            errors.append(forbidden("metadata.name", text + problem))
    elif value > HIGHEST_USER_PRIORITY:
        text = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        errors.append(forbidden("value", text))
    policy = obj.get("preemptionPolicy")
    if policy == "":
        errors.append(required("preemptionPolicy"))
    elif policy is not None and policy not in _PREEMPTION:
        errors.append(not_supported("preemptionPolicy", Named(policy), _PREEMPTION))


def _system_priority_problem(name: str, value: int, is_default: bool) -> str:
    wanted = _SYSTEM_PRIORITIES.get(name)
    if wanted is None:
        return f"{name} is not a known system priority class"
    if value != wanted:
        return f"value of {name} PriorityClass must be {wanted}"
    return f"globalDefault of {name} PriorityClass must be false" if is_default else ""


def validate_priority_class_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed PriorityClass: its value and policy stay."""
    validate_update_metadata(new, old, errors)
    if (new.get("value") or 0) != (old.get("value") or 0):
        errors.append(forbidden("value", "may not be changed in an update."))
    policy = new.get("preemptionPolicy")
    if policy != old.get("preemptionPolicy"):
        errors.append(invalid("preemptionPolicy", None if policy is None else Named(policy), IMMUTABLE))


def validate_lease(obj: Object, errors: Errors) -> None:
    """A new Lease."""
    validate_metadata(obj.get("metadata") or {}, True, names.name_subdomain, errors, is_core=False)
    _validate_lease_spec(obj.get("spec") or {}, errors)


def validate_lease_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed Lease."""
    validate_metadata_update(new.get("metadata") or {}, old.get("metadata") or {}, errors)
    _validate_lease_spec(new.get("spec") or {}, errors)


def _validate_lease_spec(spec: Object, errors: Errors) -> None:
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    validate_not_negative(spec, "leaseTransitions", errors, "spec")
    strategy = spec.get("strategy")
    if strategy is not None:
        path = "spec.strategy.strategy"
        if "/" in strategy:
            each(errors, path, Named(strategy), names.qualified_name(strategy))
        elif strategy not in _LEASE_STRATEGIES:
            errors.append(not_supported(path, Named(strategy), _LEASE_STRATEGIES))
    if spec.get("preferredHolder") and not strategy:
        errors.append(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))
