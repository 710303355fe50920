"""Rules of containers of all three kinds: regular, init and ephemeral (core validation validateContainers)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.objects import names
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
    too_many,
)
from podsysctl.objects.validation.pods.amounts import validate_container_resources
from podsysctl.objects.validation.pods.environment import validate_environment, validate_environment_sources
from podsysctl.objects.validation.pods.mounts import validate_devices, validate_mounts
from podsysctl.objects.validation.pods.options import PodOptions
from podsysctl.objects.validation.pods.probes import PROBES, validate_lifecycle, validate_probes
from podsysctl.objects.validation.pods.security import validate_container_context
from podsysctl.objects.validation.pods.volumes import validate_pull_policy

Container = Mapping[str, Any]
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESIZE_RESOURCES = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_RESTART_ACTIONS = ("Restart", "RestartAllContainers")
_EXIT_OPERATORS = ("In", "NotIn")
_MOST_RULES = 20
_MOST_EXIT_CODES = 255
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"
_EPHEMERAL_FORBIDDEN = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What the rules of a container need to know of its pod."""

    volumes: Mapping[str, Any]
    claims: list[str]
    grace_s: int | None
    restart_policy: str
    host_users: bool
    options: PodOptions


def validate_containers(containers: Any, facts: PodFacts, errors: Errors, path: str) -> None:
    """The regular containers: at least one, each name once, no host port twice."""
    if not containers:
        errors.append(required(path))
        return
    seen: set[str] = set()
    for index, container in enumerate(containers):
        where = f"{path}[{index}]"
        _validate_common(container, facts, errors, where)
        name = container.get("name") or ""
        if name in seen:
            errors.append(duplicate(f"{where}.name", name))
        seen.add(name)
        if container.get("lifecycle") is not None:
            validate_lifecycle(container["lifecycle"], facts.grace_s, errors, f"{where}.lifecycle")
        validate_probes(container, facts.grace_s, errors, where)
        _validate_restart(container, errors, where)
    _validate_host_ports(containers, errors, path)


def validate_init_containers(containers: Any, regular: Any, facts: PodFacts, errors: Errors, path: str) -> None:
    """Init containers, of which those that always restart may have probes and hooks."""
    seen = {container.get("name") or "" for container in regular}
    for index, container in enumerate(containers):
        where = f"{path}[{index}]"
        _validate_common(container, facts, errors, where)
        _validate_restart(container, errors, where)
        name = container.get("name") or ""
        if name in seen:
            errors.append(duplicate(f"{where}.name", name))
        elif name:
            seen.add(name)
        _validate_host_ports([container], errors, path)
        if container.get("restartPolicy") == "Always":
            if container.get("lifecycle") is not None:
                validate_lifecycle(container["lifecycle"], facts.grace_s, errors, f"{where}.lifecycle")
            validate_probes(container, facts.grace_s, errors, where)
            continue
        for field in ("lifecycle", *PROBES):
            if container.get(field) is not None:
                text = "may not be set for init containers without restartPolicy=Always"
                errors.append(forbidden(f"{where}.{field}", text))
        if facts.options.allow_init_restart_resize:
            continue
        for position, policy in enumerate(container.get("resizePolicy") or ()):
            if policy.get("restartPolicy") == "RestartContainer":
                text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                field = f"{where}.resizePolicy[{position}].restartPolicy"
                errors.append(invalid(field, Named("RestartContainer"), text))


def validate_ephemeral_containers(containers: Any, others: Any, facts: PodFacts, errors: Errors, path: str) -> None:
    """Containers added for debugging; `others` are the regular and init containers."""
    fixed = {container.get("name") or "" for container in others}
    seen = set(fixed)
    for index, container in enumerate(containers):
        where = f"{path}[{index}]"
        _validate_common(container, facts, errors, where)
        validate_image_spaces(container, errors, where)
        name = container.get("name") or ""
        if name in seen:
            errors.append(duplicate(f"{where}.name", name))
        seen.add(name)
        target = container.get("targetContainerName") or ""
        if target and target not in fixed:
            errors.append(not_found(f"{where}.targetContainerName", target))
        for field in _EPHEMERAL_FORBIDDEN:
            value = container.get(field)
            if value is not None and not (field == "resources" and not value):
                errors.append(forbidden(f"{where}.{field}", _NOT_EPHEMERAL))
        for position, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    errors.append(forbidden(f"{where}.volumeMounts[{position}].{field}", _NOT_EPHEMERAL))


def validate_image_spaces(container: Container, errors: Errors, path: str) -> None:
    """Pods, unlike templates, may not have spaces around an image's name."""
    image = container.get("image") or ""
    if image.strip() != image:
        errors.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))


def _validate_common(container: Container, facts: PodFacts, errors: Errors, path: str) -> None:
    name = container.get("name") or ""
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        each(errors, f"{path}.name", name, names.dns_label(name))
    if not container.get("image"):
        errors.append(required(f"{path}.image"))
    policy = container.get("terminationMessagePolicy") or ""
    if not policy:
        errors.append(required(f"{path}.terminationMessagePolicy"))
    elif policy not in _MESSAGE_POLICIES:
        errors.append(not_supported(f"{path}.terminationMessagePolicy", Named(policy), _MESSAGE_POLICIES))
    if container.get("ports"):
        _validate_ports(container["ports"], errors, f"{path}.ports")
    if container.get("env"):
        validate_environment(container["env"], errors, f"{path}.env")
    if container.get("envFrom"):
        validate_environment_sources(container["envFrom"], errors, f"{path}.envFrom")
    if container.get("volumeMounts"):
        validate_mounts(container, facts.volumes, errors, f"{path}.volumeMounts")
    if container.get("volumeDevices"):
        validate_devices(container, facts.volumes, errors, f"{path}.volumeDevices")
    validate_pull_policy(container.get("imagePullPolicy") or "", errors, f"{path}.imagePullPolicy")
    if container.get("resources"):
        resources = container["resources"]
        validate_container_resources(resources, facts.claims, facts.options, errors, f"{path}.resources")
    if container.get("resizePolicy"):
        _validate_resize(container["resizePolicy"], facts.restart_policy, errors, f"{path}.resizePolicy")
    if container.get("securityContext"):
        context = container["securityContext"]
        validate_container_context(context, facts.host_users, errors, f"{path}.securityContext")


def _validate_ports(ports: Any, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        name = port.get("name") or ""
        if name:
            problems = names.port_name(name)
            if problems:
                each(errors, f"{where}.name", name, problems)
            elif name in seen:
                errors.append(duplicate(f"{where}.name", name))
            seen.add(name)
        number = port.get("containerPort") or 0
        if not number:
            errors.append(required(f"{where}.containerPort"))
        else:
            each(errors, f"{where}.containerPort", number, names.port_number(number))
        host = port.get("hostPort") or 0
        if host:
            each(errors, f"{where}.hostPort", host, names.port_number(host))
        protocol = port.get("protocol") or ""
        if not protocol:
            errors.append(required(f"{where}.protocol"))
        elif protocol not in _PROTOCOLS:
            errors.append(not_supported(f"{where}.protocol", Named(protocol), _PROTOCOLS))


def _validate_host_ports(containers: Any, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort") or 0
            if not host:
                continue
            key = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{host}"
            if key in seen:
                errors.append(duplicate(f"{path}[{index}].ports[{position}].hostPort", key))
            seen.add(key)


def _validate_resize(policies: Any, restart_policy: str, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, row in enumerate(policies):
        resource, policy = row.get("resourceName") or "", row.get("restartPolicy") or ""
        if resource in seen:
            errors.append(duplicate(f"{path}[{index}]", Named(resource)))
        seen.add(resource)
        for value, supported in ((resource, _RESIZE_RESOURCES), (policy, _RESIZE_POLICIES)):
            if not value:
                errors.append(required(path))
            elif value not in supported:
                errors.append(not_supported(path, Named(value), supported))
        if restart_policy == "Never" and policy != "NotRequired":
            text = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            errors.append(invalid(path, Named(policy), text))


def _validate_restart(container: Container, errors: Errors, path: str) -> None:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None:
        if not rules:
            return
        text = "must specify restartPolicy when restart rules are used"
        errors.append(required(f"{path}.restartPolicy", text))
        if path.rpartition(".")[2].startswith("initContainers"):
            return
    elif policy not in _RESTART_POLICIES:
        errors.append(not_supported(f"{path}.restartPolicy", Named(policy), _RESTART_POLICIES))
    if len(rules) > _MOST_RULES:
        errors.append(too_many(f"{path}.restartPolicyRules", len(rules), _MOST_RULES))
    for index, rule in enumerate(rules):
        _validate_restart_rule(rule, errors, f"{path}.restartPolicyRules[{index}]")


def _validate_restart_rule(rule: Mapping[str, Any], errors: Errors, path: str) -> None:
    action, codes = rule.get("action") or "", rule.get("exitCodes")
    if action not in _RESTART_ACTIONS:
        errors.append(not_supported(f"{path}.action", Named(action), _RESTART_ACTIONS))
    if codes is None:
        errors.append(required(f"{path}.exitCodes", "must be specified"))
        return
    operator, values = codes.get("operator") or "", codes.get("values") or ()
    if operator not in _EXIT_OPERATORS:
        errors.append(not_supported(f"{path}.exitCodes.operator", Named(operator), _EXIT_OPERATORS))
    if len(values) > _MOST_EXIT_CODES:
        errors.append(too_many(f"{path}.exitCodes.values", len(values), _MOST_EXIT_CODES))
