"""Rules of Services, which are stored but not served: names, ports, selector and type (Kubernetes 1.36).

Addresses, families and traffic policies are kept as they come.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from podsysctl.objects.validation.meta import validate_labels, validate_metadata, validate_update_metadata

Object = Mapping[str, Any]

_AFFINITIES = ("ClientIP", "None")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def validate_service(obj: Object, errors: Errors) -> None:
    """A new Service."""
    validate_metadata(obj.get("metadata") or {}, True, names.name_label, errors)
    _validate_spec(obj.get("spec") or {}, errors)


def validate_service_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed Service."""
    validate_update_metadata(new, old, errors)
    _validate_spec(new.get("spec") or {}, errors)


def _validate_spec(spec: Object, errors: Errors) -> None:
    kind, ports = spec.get("type") or "", spec.get("ports") or ()
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and kind != "ExternalName":
        errors.append(required("spec.ports"))
    if kind in ("LoadBalancer", "NodePort") and headless:
        errors.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    elif kind == "ExternalName":
        alias = (spec.get("externalName") or "").removesuffix(".")
        if alias:
            each(errors, "spec.externalName", alias, names.dns_subdomain(alias))
        else:
            errors.append(required("spec.externalName"))
    seen: set[str] = set()
    for index, port in enumerate(ports):
        _validate_port(port, len(ports) > 1, seen, errors, f"spec.ports[{index}]")
    validate_labels(spec.get("selector"), errors, "spec.selector")
    affinity = spec.get("sessionAffinity") or ""
    if not affinity:
        errors.append(required("spec.sessionAffinity"))
    elif affinity not in _AFFINITIES:
        errors.append(not_supported("spec.sessionAffinity", Named(affinity), _AFFINITIES))
    if not kind:
        errors.append(required("spec.type"))
    elif kind not in _TYPES:
        errors.append(not_supported("spec.type", Named(kind), _TYPES))
    _validate_numbers(kind, ports, errors)


def _validate_port(port: Object, name_required: bool, seen: set[str], errors: Errors, path: str) -> None:
    name = port.get("name") or ""
    if name:
        each(errors, f"{path}.name", name, names.dns_label(name))
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
    elif name_required:
        errors.append(required(f"{path}.name"))
    number = port.get("port") or 0
    each(errors, f"{path}.port", number, names.port_number(number))
    protocol = port.get("protocol") or ""
    if not protocol:
        errors.append(required(f"{path}.protocol"))
    elif protocol not in _PROTOCOLS:
        errors.append(not_supported(f"{path}.protocol", Named(protocol), _PROTOCOLS))
    target = port.get("targetPort", 0)
    problems = names.port_name(target) if isinstance(target, str) else names.port_number(target)
    each(errors, f"{path}.targetPort", target, problems)
    application = port.get("appProtocol")
    if application is not None:
        each(errors, f"{path}.appProtocol", application, names.qualified_name(application))


def _validate_numbers(kind: str, ports: Any, errors: Errors) -> None:
    if kind == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                text = "may not be used when `type` is 'ClusterIP'"
                errors.append(forbidden(f"spec.ports[{index}].nodePort", text))
    for key in ("nodePort", "port"):
        seen: set[tuple[str, int]] = set()
        for index, port in enumerate(ports):
            pair = (port.get("protocol") or "", port.get(key) or 0)
            if key == "nodePort" and not pair[1]:
                continue
            if pair in seen:
                where = f"spec.ports[{index}]"
                shown = pair[1] if key == "nodePort" else _port_json(*pair)
                errors.append(duplicate(f"{where}.nodePort" if key == "nodePort" else where, shown))
            seen.add(pair)


def _port_json(protocol: str, number: int) -> dict[str, Any]:
    """A port as upstream's internal type shows it."""
    shown: dict[str, Any] = {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number}
    return shown | {"TargetPort": 0, "NodePort": 0}
