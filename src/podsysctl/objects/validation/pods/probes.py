"""Rules of probes, lifecycle hooks and what they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, Named, each, forbidden, invalid, not_supported, required

_SCHEMES = ("HTTP", "HTTPS")
_NOT_NEGATIVE = "must be greater than or equal to 0"
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def validate_probes(container: Mapping[str, Any], grace_s: int | None, errors: Errors, path: str) -> None:
    """The three probes of a container; `grace_s` is the pod's termination grace period."""
    for name in PROBES:
        probe = container.get(name)
        if probe is None:
            continue
        where = f"{path}.{name}"
        _validate_probe(probe, grace_s, errors, where)
        grace = probe.get("terminationGracePeriodSeconds")
        if name == "readinessProbe":
            if grace is not None:
                text = "must not be set for readinessProbes"
                errors.append(invalid(f"{where}.terminationGracePeriodSeconds", grace, text))
        elif (probe.get("successThreshold") or 0) != 1:
            threshold = probe.get("successThreshold") or 0
            errors.append(invalid(f"{where}.successThreshold", threshold, "must be 1"))


def _validate_probe(probe: Mapping[str, Any], grace_s: int | None, errors: Errors, path: str) -> None:
    validate_handler(probe, grace_s, errors, path)
    for key in _PROBE_NUMBERS:
        value = probe.get(key) or 0
        if value < 0:
            errors.append(invalid(f"{path}.{key}", value, _NOT_NEGATIVE))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))


def validate_lifecycle(lifecycle: Mapping[str, Any], grace_s: int | None, errors: Errors, path: str) -> None:
    """Hooks after the start and before the stop of a container."""
    for hook in ("postStart", "preStop"):
        if lifecycle.get(hook) is not None:
            validate_handler(lifecycle[hook], grace_s, errors, f"{path}.{hook}")


def validate_handler(handler: Mapping[str, Any], grace_s: int | None, errors: Errors, path: str) -> None:
    """What a probe or hook does: exactly one kind of action."""
    count = 0
    for key in ("exec", "httpGet", "tcpSocket", "grpc", "sleep"):
        action = handler.get(key)
        if action is None:
            continue
        if count:
            errors.append(forbidden(f"{path}.{key}", "may not specify more than 1 handler type"))
            continue
        count += 1
        _validate_action(key, action, grace_s, errors, f"{path}.{key}")
    if not count:
        errors.append(required(path, "must specify a handler type"))


def _validate_action(key: str, action: Mapping[str, Any], grace_s: int | None, errors: Errors, path: str) -> None:
    if key == "exec":
        if not action.get("command"):
            errors.append(required(f"{path}.command"))
    elif key == "httpGet":
        _validate_http_get(action, errors, path)
    elif key == "sleep":
        seconds = action.get("seconds") or 0
        if grace_s is not None and not 0 <= seconds <= grace_s:
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
            errors.append(invalid(path, seconds, text))
    else:
        validate_port(action.get("port") or 0, errors, f"{path}.port")


def _validate_http_get(action: Mapping[str, Any], errors: Errors, path: str) -> None:
    if not action.get("path"):
        errors.append(required(f"{path}.path"))
    validate_port(action.get("port", 0), errors, f"{path}.port")
    scheme = action.get("scheme") or ""
    if scheme not in _SCHEMES:
        errors.append(not_supported(f"{path}.scheme", Named(scheme), _SCHEMES))
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        each(errors, f"{path}.httpHeaders", name, names.http_header(name))


def validate_port(port: int | str, errors: Errors, path: str) -> None:
    """A port by number or by the name of a container's port."""
    each(errors, path, port, names.port_name(port) if isinstance(port, str) else names.port_number(port))
