"""Rules of a Job's policies: which failures count, and when part of the pods is enough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from podsysctl.base.errors import FieldError, ValueSyntaxError
from podsysctl.objects import names
from podsysctl.objects.quote import quote
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    duplicate,
    each,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from podsysctl.objects.validation.numbers import validate_not_negative

Object = Mapping[str, Any]
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_MOST_RULES = 20
_MOST_EXIT_CODES = 255
_INDEXES_BYTES = 64 * 1024


def _valid(values: tuple[str, ...]) -> str:
    return f"valid values: [{' '.join(map(quote, values))}]"


def failure_policy_json(policy: Object) -> dict[str, Any]:
    """The policy as upstream's internal type shows it."""
    rules = []
    for rule in policy.get("rules") or ():
        codes = rule.get("onExitCodes")
        shown = None
        if codes is not None:
            shown = {
                "ContainerName": codes.get("containerName"),
                "Operator": codes.get("operator") or "",
                "Values": codes.get("values"),
            }
        patterns = rule.get("onPodConditions")
        rows = None
        if patterns is not None:
            rows = [{"Type": row.get("type") or "", "Status": row.get("status") or ""} for row in patterns]
        rules.append({"Action": rule.get("action") or "", "OnExitCodes": shown, "OnPodConditions": rows})
    return {"Rules": rules}


def success_policy_json(policy: Object) -> dict[str, Any]:
    """The policy as upstream's internal type shows it."""
    rules = policy.get("rules")
    if rules is None:
        return {"Rules": None}
    rows = [
        {"SucceededIndexes": rule.get("succeededIndexes"), "SucceededCount": rule.get("succeededCount")}
        for rule in rules
    ]
    return {"Rules": rows}


def validate_failure_policy(spec: Object, errors: Errors, path: str) -> None:
    """What a failed pod means for the job."""
    rules = spec["podFailurePolicy"].get("rules") or ()
    if len(rules) > _MOST_RULES:
        errors.append(too_many(f"{path}.rules", len(rules), _MOST_RULES))
    pod = (spec.get("template") or {}).get("spec") or {}
    known = {c.get("name") for key in ("containers", "initContainers") for c in pod.get(key) or ()}
    for index, rule in enumerate(rules):
        _validate_rule(spec, rule, known, errors, f"{path}.rules[{index}]")


def _validate_rule(spec: Object, rule: Object, known: set[str | None], errors: Errors, path: str) -> None:
    action = rule.get("action") or ""
    if not action:
        errors.append(required(f"{path}.action", _valid(_ACTIONS)))
    elif action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            errors.append(invalid(f"{path}.action", Named(action), "requires the backoffLimitPerIndex to be set"))
    elif action not in _ACTIONS:
        errors.append(not_supported(f"{path}.action", Named(action), _ACTIONS))
    codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
    if codes is not None:
        _validate_exit_codes(codes, known, errors, f"{path}.onExitCodes")
    if len(patterns) > _MOST_RULES:
        errors.append(too_many(f"{path}.onPodConditions", len(patterns), _MOST_RULES))
    for index, pattern in enumerate(patterns):
        _validate_pattern(pattern, errors, f"{path}.onPodConditions[{index}]")
    if codes is not None and patterns:
        errors.append(omitted(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not patterns:
        errors.append(omitted(path, "specifying one of OnExitCodes and OnPodConditions is required"))


def omitted(path: str, detail: str) -> FieldError:
    """An Invalid error that does not show the value."""
    return FieldError("FieldValueInvalid", path, f"Invalid value: {detail}")


def _validate_pattern(pattern: Object, errors: Errors, path: str) -> None:
    kind, state = pattern.get("type") or "", pattern.get("status") or ""
    each(errors, f"{path}.type", kind, names.qualified_name(kind))
    if not state:
        errors.append(required(f"{path}.status", _valid(_STATUSES)))
    elif state not in _STATUSES:
        errors.append(not_supported(f"{path}.status", Named(state), _STATUSES))


def _validate_exit_codes(codes: Object, known: set[str | None], errors: Errors, path: str) -> None:
    operator, values = codes.get("operator") or "", codes.get("values") or []
    if not operator:
        errors.append(required(f"{path}.operator", _valid(_OPERATORS)))
    elif operator not in _OPERATORS:
        errors.append(not_supported(f"{path}.operator", Named(operator), _OPERATORS))
    name = codes.get("containerName")
    if name is not None and name not in known:
        text = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", name, text))
    if not values:
        errors.append(invalid(f"{path}.values", codes.get("values"), "at least one value is required"))
    elif len(values) > _MOST_EXIT_CODES:
        errors.append(too_many(f"{path}.values", len(values), _MOST_EXIT_CODES))
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.append(invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator"))
        if value in seen:
            errors.append(duplicate(f"{path}.values[{index}]", value))
        seen.add(value)
    if values != sorted(values):
        errors.append(invalid(f"{path}.values", values, "must be ordered"))


def validate_success_policy(spec: Object, errors: Errors, path: str) -> None:
    """Which indexes make an indexed job succeed."""
    rules = spec["successPolicy"].get("rules") or ()
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(f"{path}.rules", text))
    if len(rules) > _MOST_RULES:
        errors.append(too_many(f"{path}.rules", len(rules), _MOST_RULES))
    completions = spec.get("completions") or 0
    for index, rule in enumerate(rules):
        _validate_success_rule(rule, completions, errors, f"{path}.rules[{index}]")


def _validate_success_rule(rule: Object, completions: int, errors: Errors, path: str) -> None:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        text = "at least one of succeededCount or succeededIndexes must be specified"
        errors.append(required(path, text))
    total = 0
    if indexes is not None:
        where = f"{path}.succeededIndexes"
        if len(indexes) > _INDEXES_BYTES:
            errors.append(too_long(where, _INDEXES_BYTES))
        try:
            total = count_indexes(indexes, completions)
        except ValueSyntaxError as error:
            errors.append(invalid(where, indexes, f"error parsing succeededIndexes: {error.message}"))
    if count is None:
        return
    where = f"{path}.succeededCount"
    validate_not_negative(rule, "succeededCount", errors, path)
    if count > completions:
        text = f"must be less than or equal to {completions} (the number of specified completions)"
        errors.append(invalid(where, count, text))
    if indexes is not None and count > total:
        field = "the number of indexes in the specified succeededIndexes field"
        errors.append(invalid(where, count, f"must be less than or equal to {total} ({field})"))


def count_indexes(text: str, completions: int) -> int:
    """How many indexes a text such as `0-2,5` names. Raises ValueSyntaxError with upstream's text."""
    if not text:
        return 0
    total, last = 0, None
    for part in text.split(","):
        low, high = parse_interval(part, completions)
        if last is not None and last >= low:
            raise ValueSyntaxError(f"non-increasing order, previous: {last}, current: {low}")
        total += high - low + 1
        last = high
    return total


def parse_interval(text: str, completions: int) -> tuple[int, int]:
    """First and last index of one index or interval. Raises ValueSyntaxError with upstream's text."""
    limits = text.split("-")
    if len(limits) > 2:
        raise ValueSyntaxError(
            f"the fragment {quote(text)} violates the requirement that an index interval can "
            "have at most two parts separated by '-'"
        )
    numbers = []
    for limit in limits:
        number = _index(limit)
        if number >= completions:
            raise ValueSyntaxError(f"too large index: {quote(limit)}")
        numbers.append(number)
    low, high = numbers[0], numbers[-1]
    if len(numbers) == 2 and low >= high:
        raise ValueSyntaxError(f"non-increasing order, previous: {low}, current: {high}")
    return low, high


def _index(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueSyntaxError(f"cannot convert string to integer for index: {quote(text)}")
    return int(text)
