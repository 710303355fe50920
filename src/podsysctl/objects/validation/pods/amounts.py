"""Rules of requests and limits, of containers and of pods as a whole (core validation validateResourceRequirements)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podsysctl.objects import names, resources
from podsysctl.objects.quantity import NANO, parse_quantity
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    duplicate,
    each,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from podsysctl.objects.validation.pods.options import PodOptions, Spec, is_divisible

_POD_LEVEL = ("cpu", "hugepages-", "memory")
_NOT_NEGATIVE = "must be greater than or equal to 0"
NameCheck = Callable[[str, Errors, str], None]


def validate_resource_name(name: str, errors: Errors, path: str) -> bool:
    """A resource name as such: qualified, and standard when it has no prefix. Returns whether it is good."""
    before = len(errors)
    each(errors, path, Named(name), names.qualified_name(name))
    if len(errors) == before and "/" not in name and not resources.is_standard(name):
        errors.append(invalid(path, Named(name), "must be a standard resource type or fully qualified"))
    return len(errors) == before


def validate_container_resource_name(name: str, errors: Errors, path: str) -> None:
    """A resource that a container may ask for."""
    validate_resource_name(name, errors, path)
    if "/" not in name:
        if not resources.is_standard_for_containers(name):
            errors.append(invalid(path, Named(name), "must be a standard resource for containers"))
    elif not resources.is_native(name) and not resources.is_extended(name):
        errors.append(invalid(path, Named(name), "doesn't follow extended resource name standard"))


def _validate_pod_resource_name(name: str, errors: Errors, path: str) -> None:
    if validate_resource_name(name, errors, path) and not resources.is_pod_level(name):
        errors.append(not_supported(path, Named(name), _POD_LEVEL))


def validate_quantity(name: str, value: str, errors: Errors, path: str) -> None:
    """An amount is not negative, and whole where the resource is counted."""
    quantity = parse_quantity(value)
    if quantity.nanos < 0:
        errors.append(invalid(path, quantity.text, _NOT_NEGATIVE))
    if quantity.nanos % NANO and resources.is_whole(name):
        errors.append(invalid(path, Named(quantity.text), "must be an integer"))


def validate_container_resources(
    wanted: Mapping[str, Any], claims: list[str], options: PodOptions, errors: Errors, path: str
) -> None:
    """Requests and limits of a container; `claims` are the pod's resource claims."""
    _validate(wanted, validate_container_resource_name, claims, options, errors, path)


def _validate(
    wanted: Mapping[str, Any], check: NameCheck, claims: list[str], options: PodOptions, errors: Errors, path: str
) -> None:
    limits, requests = wanted.get("limits") or {}, wanted.get("requests") or {}
    for name, value in limits.items():
        where = f"{path}.limits[{name}]"
        check(name, errors, where)
        validate_quantity(name, value, errors, where)
        _validate_huge_page(name, value, options, errors, where)
    for name, value in requests.items():
        where = f"{path}.requests[{name}]"
        check(name, errors, where)
        validate_quantity(name, value, errors, where)
        _validate_against_limit(name, value, limits.get(name), errors, path)
        _validate_huge_page(name, value, options, errors, where)
    asked = {*limits, *requests}
    if any(map(resources.is_huge_page, asked)) and not asked & {"cpu", "memory"}:
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    if wanted.get("claims"):
        _validate_claims(wanted["claims"], claims, errors, f"{path}.claims")


def _validate_huge_page(name: str, value: str, options: PodOptions, errors: Errors, path: str) -> None:
    if resources.is_huge_page(name) and not options.allow_indivisible_huge_pages and not is_divisible(name, value):
        text = parse_quantity(value).text
        errors.append(invalid(path, text, f"{text} is not positive integer multiple of {name}"))


def _validate_against_limit(name: str, value: str, limit: str | None, errors: Errors, path: str) -> None:
    if limit is None:
        if not resources.is_overcommit_allowed(name):
            errors.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        return
    wanted, most = parse_quantity(value), parse_quantity(limit)
    if wanted.nanos != most.nanos and not resources.is_overcommit_allowed(name):
        errors.append(invalid(f"{path}.requests", wanted.text, f"must be equal to {name} limit of {most.text}"))
    elif wanted.nanos > most.nanos:
        text = f"must be less than or equal to {name} limit of {most.text}"
        errors.append(invalid(f"{path}.requests", wanted.text, text))


def _validate_claims(used: Any, claims: list[str], errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(used):
        where = f"{path}[{index}]"
        name, request = claim.get("name") or "", claim.get("request") or ""
        if not name:
            errors.append(required(where))
            continue
        if name in seen:
            errors.append(duplicate(where, name))
        else:
            key = f"{name}/{request}" if request else name
            if request:
                each(errors, f"{where}.request", request, names.dns_label(request))
            if key in seen:
                errors.append(duplicate(where, key))
            elif not request:
                for other in seen:
                    if other.partition("/")[1] and other.partition("/")[0] == name:
                        errors.append(duplicate(where, name))
            seen.add(key)
        if name not in claims:
            known = f": {', '.join(sorted(claims))}" if claims else " which is empty"
            errors.append(not_found(where, name, f"must be one of the names in pod.spec.resourceClaims{known}"))


def validate_pod_resources(spec: Spec, claims: list[str], options: PodOptions, errors: Errors, path: str) -> None:
    """Requests and limits of the pod as a whole, and that the containers fit into them."""
    wanted = spec.get("resources")
    if wanted is None:
        return
    where = f"{path}.resources"
    if (spec.get("os") or {}).get("name") == "windows":
        errors.append(forbidden(where, "may not be set for a windows pod"))
        return
    if wanted.get("claims") is not None:
        errors.append(forbidden(f"{where}.claims", "claims may not be set for Resources at pod-level"))
    _validate(wanted, _validate_pod_resource_name, claims, options, errors, where)
    _validate_consistency(spec, wanted, errors, where)


def _validate_consistency(spec: Spec, wanted: Mapping[str, Any], errors: Errors, path: str) -> None:
    requests, limits = wanted.get("requests") or {}, wanted.get("limits") or {}
    for name, total in resources.pod_sum(spec, "requests").items():
        if name in requests and total.nanos > parse_quantity(requests[name]).nanos:
            text = f"must be greater than or equal to aggregate container requests of {total.text}"
            errors.append(invalid(f"{path}.requests[{name}]", parse_quantity(requests[name]).text, text))
    for name, total in resources.pod_sum(spec, "limits").items():
        if resources.is_huge_page(name) and name in limits and total.nanos > parse_quantity(limits[name]).nanos:
            text = f"must be greater than or equal to aggregate container limits of {total.text}"
            errors.append(invalid(f"{path}.limits[{name}]", parse_quantity(limits[name]).text, text))
    for index, container in enumerate(spec.get("containers") or ()):
        for name, value in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and parse_quantity(value).nanos > parse_quantity(limits[name]).nanos:
                text = f"must be less than or equal to pod limits of {parse_quantity(limits[name]).text}"
                where = f"{path}.containers[{index}][{name}].limits"
                errors.append(invalid(where, parse_quantity(value).text, text))
