"""Rules of node and pod affinity and of spreading over topologies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from podsysctl.objects.validation.meta import validate_label_name, validate_selector
from podsysctl.objects.validation.pods.options import PodOptions

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"
_NOT_AN_OPERATOR = "not a valid selector operator"
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_INCLUSION = ("Honor", "Ignore")


def validate_affinity(affinity: Mapping[str, Any] | None, options: PodOptions, errors: Errors, path: str) -> None:
    """Where a pod wants to be: on which nodes, near or far from which pods."""
    if not affinity:
        return
    if affinity.get("nodeAffinity") is not None:
        _validate_node_affinity(affinity["nodeAffinity"], options, errors, f"{path}.nodeAffinity")
    for which in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(which) or {}
        for index, term in enumerate(rules.get(_REQUIRED) or ()):
            _validate_pod_term(term, options, errors, f"{path}.{which}.{_REQUIRED}[{index}]")
        for index, weighted in enumerate(rules.get(_PREFERRED) or ()):
            where = f"{path}.{which}.{_PREFERRED}[{index}]"
            _validate_weight(weighted, errors, where)
            _validate_pod_term(weighted.get("podAffinityTerm") or {}, options, errors, f"{where}.podAffinityTerm")


def _validate_weight(term: Mapping[str, Any], errors: Errors, path: str) -> None:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        errors.append(invalid(f"{path}.weight", weight, _WEIGHT))


def _validate_node_affinity(rules: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    if rules.get(_REQUIRED) is not None:
        where = f"{path}.{_REQUIRED}"
        validate_node_selector(rules[_REQUIRED], options.allow_invalid_affinity_values, errors, where)
    for index, term in enumerate(rules.get(_PREFERRED) or ()):
        where = f"{path}.{_PREFERRED}[{index}]"
        _validate_weight(term, errors, where)
        _validate_node_term(term.get("preference") or {}, True, errors, f"{where}.preference")


def validate_node_selector(selector: Mapping[str, Any], any_values: bool, errors: Errors, path: str) -> None:
    """Terms that pick nodes, of which one must hold."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        errors.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for index, term in enumerate(terms):
        _validate_node_term(term, any_values, errors, f"{path}.nodeSelectorTerms[{index}]")


def _validate_node_term(term: Mapping[str, Any], any_values: bool, errors: Errors, path: str) -> None:
    for index, row in enumerate(term.get("matchExpressions") or ()):
        _validate_label_row(row, any_values, errors, f"{path}.matchExpressions[{index}]")
    for index, row in enumerate(term.get("matchFields") or ()):
        _validate_field_row(row, errors, f"{path}.matchFields[{index}]")


def _validate_label_row(row: Mapping[str, Any], any_values: bool, errors: Errors, path: str) -> None:
    operator, values = row.get("operator") or "", row.get("values") or ()
    where = f"{path}.values"
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(where, "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            errors.append(forbidden(where, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            errors.append(required(where, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    else:
        errors.append(invalid(f"{path}.operator", Named(operator), _NOT_AN_OPERATOR))
    validate_label_name(row.get("key") or "", errors, f"{path}.key")
    if not any_values:
        for index, value in enumerate(values):
            each(errors, f"{where}[{index}]", value, names.label_value(value))


def _validate_field_row(row: Mapping[str, Any], errors: Errors, path: str) -> None:
    operator, values = row.get("operator") or "", row.get("values") or ()
    if operator not in ("In", "NotIn"):
        errors.append(invalid(f"{path}.operator", Named(operator), _NOT_AN_OPERATOR))
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(f"{path}.values", text))
    key = row.get("key") or ""
    if key != "metadata.name":
        errors.append(invalid(f"{path}.key", key, "not a valid field selector key"))
        return
    for index, value in enumerate(values):
        each(errors, f"{path}.values[{index}]", value, names.name_subdomain(value))


def _validate_pod_term(term: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    any_values = options.allow_invalid_selector_values
    selector = term.get("labelSelector")
    validate_selector(selector, errors, f"{path}.labelSelector", any_values=any_values)
    validate_selector(term.get("namespaceSelector"), errors, f"{path}.namespaceSelector", any_values=any_values)
    for namespace in term.get("namespaces") or ():
        each(errors, f"{path}.namespace", namespace, names.name_label(namespace))
    validate_label_keys(term.get("matchLabelKeys"), term.get("mismatchLabelKeys"), selector, errors, path)
    key = term.get("topologyKey") or ""
    if not key:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    validate_label_name(key, errors, f"{path}.topologyKey")


def validate_label_keys(
    match: Sequence[str] | None,
    mismatch: Sequence[str] | None,
    selector: Mapping[str, Any] | None,
    errors: Errors,
    path: str,
) -> None:
    """Label keys whose values are taken from the pod itself, and that they do not fight with the selector."""
    for field, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            text = "must not be specified when labelSelector is not set"
            errors.append(forbidden(f"{path}.{field}", text))
        elif keys:
            for index, key in enumerate(keys):
                validate_label_name(key, errors, f"{path}.{field}[{index}]")
    positions = {key: index for index, key in enumerate(match or ())}
    if selector is not None:
        known = set(selector.get("matchLabels") or ())
        for row in selector.get("matchExpressions") or ():
            key = row.get("key") or ""
            if key in positions and key in known:
                text = "exists in both matchLabelKeys and labelSelector"
                errors.append(invalid(f"{path}[{positions[key]}]", key, text))
            known.add(key)
    for index, key in enumerate(match or ()):
        if key in (mismatch or ()):
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(invalid(f"{path}.matchLabelKeys[{index}]", key, text))


def validate_spread(constraints: Any, options: PodOptions, errors: Errors, path: str) -> None:
    """How evenly pods spread over zones and nodes."""
    for index, row in enumerate(constraints):
        where = f"{path}[{index}]"
        _validate_constraint(row, constraints[index + 1 :], errors, where)
        selector = row.get("labelSelector")
        if options.spread_keys_are_legacy:
            _validate_legacy_keys(row.get("matchLabelKeys"), selector, errors, f"{where}.matchLabelKeys")
        else:
            validate_label_keys(row.get("matchLabelKeys"), None, selector, errors, where)
        if not options.allow_invalid_spread_selector:
            validate_selector(selector, errors, f"{where}.labelSelector")


def _validate_constraint(row: Mapping[str, Any], rest: Any, errors: Errors, path: str) -> None:
    skew, key, action = row.get("maxSkew") or 0, row.get("topologyKey") or "", row.get("whenUnsatisfiable") or ""
    if skew <= 0:
        errors.append(invalid(f"{path}.maxSkew", skew, "must be greater than zero"))
    if not key:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    if action not in _UNSATISFIABLE:
        errors.append(not_supported(f"{path}.whenUnsatisfiable", Named(action), _UNSATISFIABLE))
    if any((o.get("topologyKey") or "") == key and (o.get("whenUnsatisfiable") or "") == action for o in rest):
        errors.append(duplicate(f"{path}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
    domains = row.get("minDomains")
    if domains is not None:
        if domains <= 0:
            errors.append(invalid(f"{path}.minDomains", domains, "must be greater than zero"))
        if action != "DoNotSchedule":
            text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            errors.append(invalid(f"{path}.minDomains", domains, text))
    for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = row.get(field)
        if policy is not None and policy not in _INCLUSION:
            errors.append(not_supported(f"{path}.{field}", Named(policy), _INCLUSION))


def _validate_legacy_keys(keys: Any, selector: Mapping[str, Any] | None, errors: Errors, path: str) -> None:
    if not keys:
        return
    known: set[str] = set()
    if selector is None:
        errors.append(forbidden(path, "must not be specified when labelSelector is not set"))
    else:
        known = {*(selector.get("matchLabels") or ())}
        known |= {row.get("key") or "" for row in selector.get("matchExpressions") or ()}
    for index, key in enumerate(keys):
        validate_label_name(key, errors, f"{path}[{index}]")
        if key in known:
            errors.append(invalid(f"{path}[{index}]", key, "exists in both matchLabelKeys and labelSelector"))
