"""Rules of tolerations, taints and scheduling gates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.quote import quote
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
from podsysctl.objects.validation.meta import validate_label_name
from podsysctl.objects.validation.pods.options import PodOptions

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_DECIMAL_TEXT = "must be a valid decimal integer in canonical form"


def validate_tolerations(tolerations: Any, options: PodOptions, errors: Errors, path: str) -> None:
    """Which taints a pod bears."""
    for index, toleration in enumerate(tolerations):
        _validate_toleration(toleration, options, errors, f"{path}[{index}]")


def _validate_toleration(row: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    key, operator = row.get("key") or "", row.get("operator") or ""
    value, effect = row.get("value") or "", row.get("effect") or ""
    if key:
        validate_label_name(key, errors, f"{path}.key")
    elif operator != "Exists":
        text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(invalid(f"{path}.operator", Named(operator), text))
    if row.get("tolerationSeconds") is not None and effect != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", Named(effect), text))
    if operator in ("Equal", ""):
        problems = names.label_value(value)
        if problems:
            errors.append(invalid(f"{path}.operator", value, ";".join(problems)))
    elif operator == "Exists":
        if value:
            text = "value must be empty when `operator` is 'Exists'"
            errors.append(invalid(f"{path}.operator", value, text))
    elif operator in ("Lt", "Gt"):
        _validate_number(operator, value, options, errors, path)
    else:
        errors.append(not_supported(f"{path}.operator", Named(operator), ("Equal", "Exists")))
    if effect:
        validate_taint_effect(effect, errors, f"{path}.effect")


def _validate_number(operator: str, value: str, options: PodOptions, errors: Errors, path: str) -> None:
    if not options.allow_numeric_tolerations:
        errors.append(not_supported(f"{path}.operator", Named(operator), ("Equal", "Exists", "Lt", "Gt")))
        return
    if not value:
        errors.append(invalid(f"{path}.value", value, "must be non-empty"))
    elif not re.fullmatch(r"0|-?[1-9][0-9]*", value):
        errors.append(invalid(f"{path}.value", value, _DECIMAL_TEXT))
    if not re.fullmatch(r"[+-]?[0-9]+", value):
        errors.append(invalid(f"{path}.value", value, f"strconv.ParseInt: parsing {quote(value)}: invalid syntax"))
    elif not -(1 << 63) <= int(value) < 1 << 63:
        text = f"strconv.ParseInt: parsing {quote(value)}: value out of range"
        errors.append(invalid(f"{path}.value", value, text))


def validate_taint_effect(effect: str, errors: Errors, path: str) -> None:
    """What a taint does to pods that do not bear it."""
    if effect not in TAINT_EFFECTS:
        errors.append(not_supported(path, Named(effect), TAINT_EFFECTS))


def validate_taints(taints: Any, errors: Errors, path: str) -> None:
    """The taints of a node: good keys and values, each pair of key and effect once."""
    seen: dict[str, set[str]] = {}
    for index, taint in enumerate(taints):
        where = f"{path}[{index}]"
        key, effect, value = taint.get("key") or "", taint.get("effect") or "", taint.get("value") or ""
        validate_label_name(key, errors, f"{where}.key")
        problems = names.label_value(value)
        if problems:
            errors.append(invalid(f"{where}.value", value, ";".join(problems)))
        if not effect:
            errors.append(required(f"{where}.effect"))
        else:
            validate_taint_effect(effect, errors, f"{where}.effect")
        if key in seen.setdefault(effect, set()):
            shown = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            error = duplicate(where, shown)
            errors.append(
                type(error)(error.type, error.path, f"{error.body}: taints must be unique by key and effect pair")
            )
            continue
        seen[effect].add(key)


def validate_gates(spec: Mapping[str, Any], errors: Errors, path: str) -> None:
    """Readiness gates and scheduling gates."""
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        condition = gate.get("conditionType") or ""
        each(errors, f"{path}.readinessGates[{index}].conditionType", condition, names.qualified_name(condition))
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name") or ""
        where = f"{path}.schedulingGates[{index}]"
        each(errors, where, name, names.qualified_name(name))
        if name in seen:
            errors.append(duplicate(where, name))
        seen.add(name)


def validate_added_tolerations(new: Any, old: Any, options: PodOptions, errors: Errors, path: str) -> None:
    """An update may add tolerations and change how long one holds, nothing else."""
    rest = [{k: v for k, v in row.items() if k != "tolerationSeconds"} for row in new]
    for row in old:
        if {k: v for k, v in row.items() if k != "tolerationSeconds"} not in rest:
            text = "existing toleration can not be modified except its tolerationSeconds"
            errors.append(forbidden(path, text))
            return
    validate_tolerations(new, options, errors, path)


def validate_deleted_gates(new: Any, old: Any, errors: Errors, path: str) -> None:
    """An update may only take scheduling gates away."""
    known = {gate.get("name") for gate in old}
    added = {gate.get("name"): index for index, gate in enumerate(new) if gate.get("name") not in known}
    for name, index in added.items():
        text = f"only deletion is allowed, but found new scheduling gate '{name}'"
        errors.append(forbidden(f"{path}[{index}].name", text))
