"""What the status of a pod may become, and bindings (core validation ValidatePodStatusUpdate)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import addresses, names
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
from podsysctl.objects.validation.meta import IMMUTABLE, validate_finalizer_names, validate_metadata_update
from podsysctl.objects.validation.pods.annotations import validate_annotation_updates, validate_pod_annotations
from podsysctl.objects.validation.pods.options import Spec, options_for

Object = Mapping[str, Any]
_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_NOT_NEGATIVE = "must be a non-negative integer"
_STATUS_LISTS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


def validate_status_update(new: Object, old: Object, errors: Errors) -> None:
    """A pod in an update of its status."""
    meta, old_meta = new.get("metadata") or {}, old.get("metadata") or {}
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    status, old_status = new.get("status") or {}, old.get("status") or {}
    options = options_for(old_spec, old_meta, is_pod=True)
    validate_metadata_update(meta, old_meta, errors)
    validate_finalizer_names(meta, errors)
    annotations = meta.get("annotations") or {}
    validate_annotation_updates(annotations, old_meta.get("annotations") or {}, errors, "metadata.annotations")
    validate_pod_annotations(annotations, spec, options, errors, "metadata.annotations")
    _validate_conditions(status.get("conditions") or (), errors)
    if spec.get("nodeName") != old_spec.get("nodeName"):
        errors.append(forbidden("status.nodeName", "may not be changed directly"))
    _validate_nominated(status, old_status, old_spec, errors)
    if (status.get("observedGeneration") or 0) < 0:
        errors.append(invalid("status.observedGeneration", status["observedGeneration"], _NOT_NEGATIVE))
    if (status.get("qosClass") or "") != (old_status.get("qosClass") or ""):
        errors.append(invalid("status.qosClass", Named(status.get("qosClass") or ""), IMMUTABLE))
    _validate_transitions(status, old_status, old_spec, errors)
    _validate_claim_statuses(status.get("resourceClaimStatuses") or (), spec, errors)
    _validate_addresses(status, old_status, "podIPs", errors)
    _validate_host_addresses(status, old_status, errors)
    _validate_users(status, spec, errors)


def _validate_claim_statuses(rows: Any, spec: Spec, errors: Errors) -> None:
    known = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    seen: set[str] = set()
    for index, row in enumerate(rows):
        path, name = f"status.resourceClaimStatuses[{index}]", row.get("name") or ""
        if name not in known:
            text = "must match the name of an entry in `spec.resourceClaims`"
            errors.append(invalid(f"{path}.name", name, text))
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
        claim = row.get("resourceClaimName")
        if claim is not None:
            each(errors, f"{path}.resourceClaimName", Named(claim), names.name_subdomain(claim))


def _validate_conditions(conditions: Any, errors: Errors) -> None:
    for index, condition in enumerate(conditions):
        path = f"status.conditions[{index}]"
        generation = condition.get("observedGeneration") or 0
        if generation < 0:
            errors.append(invalid(f"{path}.observedGeneration", generation, _NOT_NEGATIVE))
        kind = condition.get("type") or ""
        if kind not in _SYSTEM_CONDITIONS:
            each(errors, f"{path}.Type", kind, names.qualified_name(kind))


def _validate_nominated(status: Object, old_status: Object, old_spec: Spec, errors: Errors) -> None:
    name, before = status.get("nominatedNodeName") or "", old_status.get("nominatedNodeName") or ""
    path = "status.nominatedNodeName"
    if not name or name == before:
        return
    each(errors, path, name, names.name_subdomain(name))
    if old_spec.get("nodeName"):
        errors.append(forbidden(path, "may not be set on pods that are already bound to a node"))


def _validate_transitions(status: Object, old_status: Object, spec: Spec, errors: Errors) -> None:
    everything_restarts = any(
        rule.get("action") == "RestartAllContainers"
        for list_name in ("containers", "initContainers")
        for container in spec.get(list_name) or ()
        for rule in container.get("restartPolicyRules") or ()
    )
    for list_name in _STATUS_LISTS:
        is_ephemeral = list_name.startswith("ephemeral")
        if everything_restarts and not is_ephemeral:
            continue
        by_name = {row.get("name"): row for row in status.get(list_name) or ()}
        containers = spec.get("initContainers" if list_name.startswith("init") else "containers") or ()
        for index, before in enumerate(old_status.get(list_name) or ()):
            ended = (before.get("state") or {}).get("terminated")
            row = by_name.get(before.get("name"))
            if ended is None or row is None or (row.get("state") or {}).get("terminated") is not None:
                continue
            if is_ephemeral or not _may_restart(spec, containers, before.get("name"), ended.get("exitCode") or 0):
                text = "may not be transitioned to non-terminated state"
                errors.append(forbidden(f"status.{list_name}[{index}].state", text))


def _may_restart(spec: Spec, containers: Any, name: str | None, exit_code: int) -> bool:
    container = next((c for c in containers if c.get("name") == name), None)
    if container is None:
        return False
    policy = container.get("restartPolicy")
    if policy is not None:
        for rule in container.get("restartPolicyRules") or ():
            codes = rule.get("exitCodes") or {}
            inside = exit_code in (codes.get("values") or ())
            if rule.get("action") == "Restart" and inside == (codes.get("operator") == "In"):
                return True
    else:
        policy = spec.get("restartPolicy")
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _validate_addresses(status: Object, old_status: Object, field: str, errors: Errors) -> None:
    path = f"status.{field}"
    rows = status.get(field) or ()
    known = {row.get("ip") for row in old_status.get(field) or ()}
    found = [row.get("ip") or "" for row in rows]
    for index, address in enumerate(found):
        if address not in known:
            each(errors, f"{path}[{index}]", address, addresses.address_errors(address))
    if len(found) > 1 and (len(found) > 2 or not addresses.is_dual_stack(found)):
        shown = [{"IP": address} for address in found]
        errors.append(invalid(path, shown, "may specify no more than one IP for each IP family"))


def _validate_host_addresses(status: Object, old_status: Object, errors: Errors) -> None:
    rows = status.get("hostIPs") or ()
    if not rows:
        return
    first = rows[0].get("ip") or ""
    if (status.get("hostIP") or "") != first:
        errors.append(invalid("status.hostIPs[0].ip", first, "must be equal to `hostIP`"))
    _validate_addresses(status, old_status, "hostIPs", errors)


def _validate_users(status: Object, spec: Spec, errors: Errors) -> None:
    is_windows = (spec.get("os") or {}).get("name") == "windows"
    for list_name in _STATUS_LISTS:
        for index, row in enumerate(status.get(list_name) or ()):
            user = (row.get("user") or {}).get("linux")
            path = f"status.{list_name}[{index}].user.linux"
            if user is None:
                continue
            if is_windows:
                errors.append(forbidden(path, "cannot be set for a windows pod"))
                continue
            for key in ("uid", "gid"):
                each(errors, f"{path}.{key}", user.get(key) or 0, names.user_or_group_id(user.get(key) or 0))
            for position, group in enumerate(user.get("supplementalGroups") or ()):
                each(errors, f"{path}.supplementalGroups[{position}]", group, names.user_or_group_id(group))


def validate_binding(binding: Object, errors: Errors) -> None:
    """The assignment of a pod to a node."""
    target = binding.get("target") or {}
    kind = target.get("kind") or ""
    if kind and kind != "Node":
        errors.append(not_supported("target.kind", kind, ("Node", "<empty>")))
    if not target.get("name"):
        errors.append(required("target.name"))
