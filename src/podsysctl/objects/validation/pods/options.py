"""What an update may keep although a new object may not have it: upstream's PodValidationOptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.quantity import parse_quantity
from podsysctl.objects.resources import huge_page_size, is_huge_page

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
"""In the order in which upstream visits them."""

_SWAP = str.maketrans("./", "/.")

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PodOptions:
    """Rules that are relaxed because the stored object already breaks them.

    `is_pod` is set for pods themselves, not for the templates inside workloads.
    """

    is_pod: bool = False
    allow_host_sysctls: bool = False
    allow_invalid_deletion_cost: bool = False
    allow_invalid_selector_values: bool = False
    allow_invalid_spread_selector: bool = False
    allow_invalid_affinity_values: bool = False
    allow_indivisible_huge_pages: bool = False
    allow_any_token_path: bool = False
    allow_numeric_tolerations: bool = False
    allow_any_selinux_policy: bool = False
    allow_user_namespace_devices: bool = False
    allow_user_namespace_network: bool = False
    allow_init_restart_resize: bool = False
    spread_keys_are_legacy: bool = False


def options_for(
    old_spec: Spec | None, old_meta: Mapping[str, Any] | None = None, *, is_pod: bool = False
) -> PodOptions:
    """The options of a create (no old spec) or an update."""
    if old_spec is None:
        return PodOptions(is_pod=is_pod)
    cost = ((old_meta or {}).get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost")
    return PodOptions(
        is_pod=is_pod,
        allow_host_sysctls=_has_host_sysctls(old_spec),
        allow_invalid_deletion_cost=cost is not None and not is_deletion_cost(cost),
        allow_invalid_selector_values=_has_invalid_affinity_selector(old_spec),
        allow_invalid_spread_selector=_has_invalid_spread_selector(old_spec),
        allow_invalid_affinity_values=_has_invalid_node_affinity(old_spec),
        allow_indivisible_huge_pages=_has_indivisible_huge_pages(old_spec),
        allow_any_token_path=_has_outside_token_path(old_spec),
        allow_numeric_tolerations=any(t.get("operator") in ("Lt", "Gt") for t in old_spec.get("tolerations") or ()),
        allow_any_selinux_policy=(old_spec.get("securityContext") or {}).get("seLinuxChangePolicy") is not None,
        allow_user_namespace_devices=old_spec.get("hostUsers") is False
        and any(c.get("volumeDevices") for _, c in containers_of(old_spec, "")),
        allow_user_namespace_network=old_spec.get("hostUsers") is False and bool(old_spec.get("hostNetwork")),
        allow_init_restart_resize=_has_init_restart_resize(old_spec),
        spread_keys_are_legacy=_has_invalid_spread_keys(old_spec),
    )


def containers_of(spec: Spec, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every container with its path, init containers first."""
    for list_name in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(list_name) or ()):
            yield f"{path}.{list_name}[{index}]", container


def is_deletion_cost(text: str) -> bool:
    """Whether a text is a whole number of 32 bits without plus sign or leading zeros."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        return False
    if not text.startswith("-") and text != "0" and text.startswith("0"):
        return False
    return -(1 << 31) <= int(text) < 1 << 31


def host_sysctl_error(spec: Spec, name: str) -> str:
    """Why a sysctl clashes with the host's namespaces the pod uses, or an empty text."""
    host_network, host_ipc = spec.get("hostNetwork"), spec.get("hostIPC")
    if not (host_network or host_ipc):
        return ""
    namespace = _namespace_of(name)
    if host_network and namespace == "net":
        return "may not be specified when 'hostNetwork' is true"
    if host_ipc and namespace == "ipc":
        return "may not be specified when 'hostIPC' is true"
    return ""


def _namespace_of(text: str) -> str:
    """Upstream's guess for a text that need not be a valid name: up to a star, two stubs of old patterns included."""
    from podsysctl.sysctls.name import SysctlName, first_separator
    from podsysctl.sysctls.prefix_rule import namespace_of

    dotted = text.translate(_SWAP) if first_separator(text) == "/" else text
    dotted = dotted.partition("*")[0]
    if dotted in ("kernel.shm", "kernel.msg"):
        return "ipc"
    namespace = namespace_of(SysctlName(tuple(dotted.split("."))))
    return namespace.value if namespace else ""


def _has_host_sysctls(spec: Spec) -> bool:
    sysctls = (spec.get("securityContext") or {}).get("sysctls") or ()
    return any(host_sysctl_error(spec, sysctl.get("name") or "") for sysctl in sysctls)


def _pod_terms(spec: Spec) -> Iterator[Mapping[str, Any]]:
    affinity = spec.get("affinity") or {}
    for which in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(which) or {}
        yield from rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for weighted in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield weighted.get("podAffinityTerm") or {}


def _selector_is_bad(selector: Mapping[str, Any] | None) -> bool:
    rows = (selector or {}).get("matchExpressions") or ()
    return any(names.label_value(value) for row in rows for value in row.get("values") or ())


def _has_invalid_affinity_selector(spec: Spec) -> bool:
    return any(
        _selector_is_bad(term.get(key)) for term in _pod_terms(spec) for key in ("labelSelector", "namespaceSelector")
    )


def _has_invalid_spread_selector(spec: Spec) -> bool:
    from podsysctl.objects.validation.fields import Errors
    from podsysctl.objects.validation.meta import validate_selector

    errors: Errors = []
    for constraint in spec.get("topologySpreadConstraints") or ():
        validate_selector(constraint.get("labelSelector"), errors, "")
    return bool(errors)


def _has_invalid_node_affinity(spec: Spec) -> bool:
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    return any(
        names.label_value(value)
        for term in required.get("nodeSelectorTerms") or ()
        for row in term.get("matchExpressions") or ()
        for value in row.get("values") or ()
    )


def _has_indivisible_huge_pages(spec: Spec) -> bool:
    for list_name in ("initContainers", "containers"):
        for container in spec.get(list_name) or ():
            resources = container.get("resources") or {}
            for which in ("limits", "requests"):
                for name, value in (resources.get(which) or {}).items():
                    if is_huge_page(name) and not is_divisible(name, value):
                        return True
    return False


def is_divisible(name: str, value: str) -> bool:
    """Whether an amount of huge pages is a whole number of them."""
    size = huge_page_size(name)
    return size > 0 and parse_quantity(value).ceil() % size == 0


def _has_outside_token_path(spec: Spec) -> bool:
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            path = (source.get("serviceAccountToken") or {}).get("path")
            if path is not None and (path.startswith(("/", "..")) or ".." in path.split("/")):
                return True
    return False


def _has_init_restart_resize(spec: Spec) -> bool:
    return any(
        container.get("restartPolicy") != "Always" and policy.get("restartPolicy") == "RestartContainer"
        for container in spec.get("initContainers") or ()
        for policy in container.get("resizePolicy") or ()
    )


def _has_invalid_spread_keys(spec: Spec) -> bool:
    from podsysctl.objects.validation.fields import Errors
    from podsysctl.objects.validation.pods.affinity import validate_label_keys

    errors: Errors = []
    for constraint in spec.get("topologySpreadConstraints") or ():
        validate_label_keys(constraint.get("matchLabelKeys"), None, constraint.get("labelSelector"), errors, "")
    return bool(errors)
