"""Rules of a pod's specification as a whole, in upstream's order (core validation ValidatePodSpec)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.internal import internal_json
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
from podsysctl.objects.validation.meta import validate_labels
from podsysctl.objects.validation.pods import affinity, dns, scheduling, security, windows
from podsysctl.objects.validation.pods.amounts import validate_container_resources, validate_pod_resources
from podsysctl.objects.validation.pods.annotations import MIRROR
from podsysctl.objects.validation.pods.containers import (
    PodFacts,
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from podsysctl.objects.validation.pods.environment import validate_file_volumes
from podsysctl.objects.validation.pods.options import PodOptions, Spec
from podsysctl.objects.validation.pods.volumes import validate_volumes

_LARGEST_INT32 = (1 << 31) - 1
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
Meta = Mapping[str, Any]


def validate_spec(spec: Spec, meta: Meta | None, options: PodOptions, errors: Errors, path: str) -> None:
    """The whole specification; `meta` is the pod's, None for templates."""
    grace_s = spec.get("terminationGracePeriodSeconds")
    if grace_s is None:
        errors.append(required(f"{path}.terminationGracePeriodSeconds"))
    volumes = validate_volumes(spec.get("volumes") or (), meta, options, errors, f"{path}.volumes")
    claims = spec.get("resourceClaims") or ()
    if claims:
        _validate_resource_claims(claims, meta, errors, f"{path}.resourceClaims")
    facts = PodFacts(
        volumes=volumes,
        claims=[claim["name"] for claim in claims if claim.get("name")],
        grace_s=grace_s,
        restart_policy=spec.get("restartPolicy") or "",
        host_users=spec.get("hostUsers") is not False,
        options=options,
    )
    regular, init = spec.get("containers") or [], spec.get("initContainers") or []
    validate_containers(regular, facts, errors, f"{path}.containers")
    validate_init_containers(init, regular, facts, errors, f"{path}.initContainers")
    ephemeral = spec.get("ephemeralContainers") or ()
    if ephemeral:
        validate_ephemeral_containers(ephemeral, [*regular, *init], facts, errors, f"{path}.ephemeralContainers")
    validate_pod_resources(spec, facts.claims, options, errors, path)
    if spec.get("hostNetwork"):
        _validate_host_network_ports(regular, options, errors, f"{path}.containers")
    _validate_policies(spec, errors, path)
    security.validate_pod_context(spec, options, errors, f"{path}.securityContext")
    affinity.validate_affinity(spec.get("affinity"), options, errors, f"{path}.affinity")
    dns.validate_config(spec, errors, f"{path}.dnsConfig")
    scheduling.validate_gates(spec, errors, path)
    if spec.get("topologySpreadConstraints"):
        where = f"{path}.topologySpreadConstraints"
        affinity.validate_spread(spec["topologySpreadConstraints"], options, errors, where)
    windows.validate_host_process(spec, errors, path)
    security.validate_host_users(spec, options, errors, path)
    dns.validate_hostname_override(spec, errors, f"{path}.hostnameOverride")
    _validate_names(spec, options, errors, path)
    windows.validate_system(spec, errors, path)
    _validate_group(spec, errors, path)
    validate_file_volumes(spec, errors, path)


def _validate_policies(spec: Spec, errors: Errors, path: str) -> None:
    policy = spec.get("restartPolicy") or ""
    if not policy:
        errors.append(required(f"{path}.restartPolicy"))
    elif policy not in _RESTART_POLICIES:
        errors.append(not_supported(f"{path}.restartPolicy", Named(policy), _RESTART_POLICIES))
    dns.validate_policy(spec.get("dnsPolicy") or "", errors, f"{path}.dnsPolicy")
    validate_labels(spec.get("nodeSelector"), errors, f"{path}.nodeSelector")


def _validate_host_network_ports(containers: Any, options: PodOptions, errors: Errors, path: str) -> None:
    for index, container in enumerate(containers):
        for position, port in enumerate(container.get("ports") or ()):
            host, own = port.get("hostPort") or 0, port.get("containerPort") or 0
            if (options.is_pod or host) and host != own:
                text = "must match `containerPort` when `hostNetwork` is true"
                errors.append(invalid(f"{path}[{index}].ports[{position}].hostPort", host, text))


def _validate_names(spec: Spec, options: PodOptions, errors: Errors, path: str) -> None:
    for key in ("serviceAccountName", "nodeName"):
        if spec.get(key):
            each(errors, f"{path}.{key}", spec[key], names.name_subdomain(spec[key]))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _LARGEST_INT32:
        text = names.range_error(1, _LARGEST_INT32)
        errors.append(invalid(f"{path}.activeDeadlineSeconds", deadline, text))
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            each(errors, f"{path}.{key}", spec[key], names.dns_label(spec[key]))
    if spec.get("tolerations"):
        scheduling.validate_tolerations(spec["tolerations"], options, errors, f"{path}.tolerations")
    if spec.get("hostAliases"):
        dns.validate_host_aliases(spec["hostAliases"], errors, f"{path}.hostAliases")
    if spec.get("priorityClassName"):
        name = spec["priorityClassName"]
        each(errors, f"{path}.priorityClassName", name, names.name_subdomain(name))
    if spec.get("runtimeClassName") is not None:
        name = spec["runtimeClassName"]
        each(errors, f"{path}.runtimeClassName", name, names.name_subdomain(name))
    preemption = spec.get("preemptionPolicy")
    if preemption == "":
        errors.append(required(f"{path}.preemptionPolicy"))
    elif preemption is not None and preemption not in _PREEMPTION_POLICIES:
        errors.append(not_supported(f"{path}.preemptionPolicy", Named(preemption), _PREEMPTION_POLICIES))
    if spec.get("overhead"):
        validate_container_resources({"limits": spec["overhead"]}, [], options, errors, f"{path}.overhead")


def _validate_group(spec: Spec, errors: Errors, path: str) -> None:
    group = spec.get("schedulingGroup")
    if group is None:
        return
    name = group.get("podGroupName")
    where = f"{path}.schedulingGroup.podGroupName"
    if name is None:
        errors.append(invalid(where, None, "must specify one of: `podGroupName`"))
    else:
        each(errors, where, name, names.name_subdomain(name))


def _validate_resource_claims(claims: Any, meta: Meta | None, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        where = f"{path}[{index}]"
        if meta is not None and MIRROR in (meta.get("annotations") or {}):
            errors.append(forbidden("[]", "static pods do not support resource claims"))
            continue
        name = claim.get("name") or ""
        if not name:
            errors.append(required(f"{where}.name"))
        elif name in seen:
            errors.append(duplicate(f"{where}.name", name))
        else:
            each(errors, f"{where}.name", name, names.dns_label(name))
            seen.add(name)
        sources = [claim.get(key) for key in ("resourceClaimName", "resourceClaimTemplateName")]
        shown = internal_json("PodResourceClaim", claim)
        if None not in sources:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(invalid(where, shown, text))
        if sources == [None, None]:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(invalid(where, shown, text))
        for key in ("resourceClaimName", "resourceClaimTemplateName"):
            if claim.get(key) is not None:
                each(errors, f"{where}.{key}", claim[key], names.name_subdomain(claim[key]))
