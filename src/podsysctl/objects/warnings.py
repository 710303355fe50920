"""What the server warns of although it accepts the object: sentences for the Warning header, in upstream's order.

Source: Kubernetes 1.36 pkg/api/pod/warnings.go and the strategies' WarningsOnCreate and WarningsOnUpdate.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.addresses import parse_address
from podsysctl.objects.quantity import NANO, parse_quantity
from podsysctl.objects.quote import quote
from podsysctl.objects.validation.pods.annotations import APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD
from podsysctl.objects.validation.pods.options import containers_of
from podsysctl.objects.virtualpaths import overlap_warnings

Object = Mapping[str, Any]

_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "ephemeral": "",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SHOWN_VOLUMES = {"storageos": "storageOS"}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NULL_SELECTOR = "a null labelSelector results in matching no pod"


def hostname_warning(name: str, what: str = "the Pod's hostname") -> list[str]:
    """A name that is no DNS label but becomes a host name."""
    problems = names.dns_label(name)
    if not problems:
        return []
    text = f"metadata.name: this is used in {what}, which can result in surprising behavior; a DNS label is recommended"
    return [f"{text}: [{' '.join(problems)}]"]


def pod_warnings(pod: Object) -> list[str]:
    """Warnings of a new pod."""
    meta = pod.get("metadata") or {}
    return [*hostname_warning(meta.get("name") or ""), *_warnings(pod.get("spec") or {}, meta, "")]


def template_warnings(template: Object, path: str = "spec.template") -> list[str]:
    """Warnings of a workload's pod template."""
    return list(_warnings(template.get("spec") or {}, template.get("metadata") or {}, f"{path}."))


def _warnings(spec: Object, meta: Object, prefix: str) -> Iterator[str]:
    annotations = meta.get("annotations") or {}
    path = f"{prefix}spec"
    yield from _placement(spec, path)
    for key, text in _ANNOTATIONS.items():
        if key in annotations:
            yield f"{prefix}metadata.annotations[{key}]: {text}"
    yield from _volumes(spec.get("volumes") or (), path)
    yield from overlap_warnings(spec.get("volumes") or ())
    yield from _duplicates(spec, path)
    for name in ("memory", "ephemeral-storage"):
        yield from _fraction((spec.get("overhead") or {}).get(name), f"{path}.overhead[{name}]")
    if SECCOMP_POD in annotations and (spec.get("securityContext") or {}).get("seccompProfile") is None:
        text = 'non-functional in v1.27+; use the "seccompProfile" field instead'
        yield f"{prefix}metadata.annotations[{SECCOMP_POD}]: {text}"
    for where, container in containers_of(spec, path):
        yield from _container(container, where, spec, annotations, prefix)
    yield from _ports(spec, path)
    grace_s = spec.get("terminationGracePeriodSeconds")
    if grace_s is not None and grace_s < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {text}"
    yield from _null_selectors(spec, path)
    for index, address in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from address_warnings(address, f"{path}.dnsConfig.nameservers[{index}]")
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        yield from address_warnings(alias.get("ip") or "", f"{path}.hostAliases[{index}].ip")


def _placement(spec: Object, path: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in _NODE_LABELS:
            yield f"{path}.nodeSelector[{key}]: {_NODE_LABELS[key]}"
    rules = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    where = f"{path}.affinity.nodeAffinity"
    for index, term in enumerate((rules.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        yield from _node_term(term, f"{where}.{_REQUIRED}.nodeSelectorTerms[{index}]", False)
    for index, term in enumerate(rules.get(_PREFERRED) or ()):
        yield from _node_term(term.get("preference") or {}, f"{where}.{_PREFERRED}[{index}].preference", True)
    for index, row in enumerate(spec.get("topologySpreadConstraints") or ()):
        where, key = f"{path}.topologySpreadConstraints[{index}]", row.get("topologyKey") or ""
        if key in _NODE_LABELS:
            yield f"{where}.topologyKey: {key} is {_NODE_LABELS[key]}"
        if row.get("labelSelector") is None:
            yield f"{where}.labelSelector: {_NULL_SELECTOR}"


def _node_term(term: Object, path: str, check_values: bool) -> Iterator[str]:
    for index, row in enumerate(term.get("matchExpressions") or ()):
        key = row.get("key") or ""
        if key in _NODE_LABELS:
            yield f"{path}.matchExpressions[{index}].key: {key} is {_NODE_LABELS[key]}"
        for position, value in enumerate(row.get("values") or () if check_values else ()):
            for text in names.label_value(value):
                yield f"{path}.matchExpressions[{index}].values[{position}]: {value} is invalid, {text}"


def _volumes(volumes: Any, path: str) -> Iterator[str]:
    for index, volume in enumerate(volumes):
        where = f"{path}.volumes[{index}]"
        for kind, text in _VOLUMES.items():
            if volume.get(kind) is None:
                continue
            if text:
                yield f"{where}.{_SHOWN_VOLUMES.get(kind, kind)}: {text}"
            else:
                spec = (volume[kind].get("volumeClaimTemplate") or {}).get("spec") or {}
                yield from claim_warnings(spec, f"{where}.ephemeral.volumeClaimTemplate.spec")


def claim_warnings(spec: Object, path: str) -> Iterator[str]:
    """Fractions of bytes in a volume claim."""
    resources = spec.get("resources") or {}
    for which in ("requests", "limits"):
        yield from _fraction((resources.get(which) or {}).get("storage"), f"{path}.resources.{which}[storage]")


def _fraction(value: str | None, path: str) -> Iterator[str]:
    if value is not None:
        quantity = parse_quantity(value)
        if quantity.nanos % NANO:
            yield f"{path}: fractional byte value {quote(quantity.text)} is invalid, must be an integer"


def _duplicates(spec: Object, path: str) -> Iterator[str]:
    for field, key in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for index, row in enumerate(spec.get(field) or ()):
            value = row.get(key) or ""
            if value in seen:
                yield f"{path}.{field}[{index}].{key}: duplicate {key} {quote(value)}"
            seen.add(value)
    for index, row in enumerate(spec.get("imagePullSecrets") or ()):
        if not row.get("name"):
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'


def _container(container: Object, path: str, spec: Object, annotations: Object, prefix: str) -> Iterator[str]:
    context, name = container.get("securityContext") or {}, container.get("name") or ""
    key = SECCOMP_CONTAINER + name
    if key in annotations and context.get("seccompProfile") is None:
        yield f'{prefix}metadata.annotations[{key}]: non-functional in v1.27+; use the "seccompProfile" field instead'
    key = APP_ARMOR + name
    if prefix and key in annotations and context.get("appArmorProfile") is None:
        from podsysctl.objects.strategy.pods import app_armor_field

        own = (spec.get("securityContext") or {}).get("appArmorProfile")
        if own is None or own != app_armor_field(annotations[key]):
            text = 'deprecated since v1.30; use the "appArmorProfile" field instead'
            yield f"{prefix}metadata.annotations[{key}]: {text}"
    resources = container.get("resources") or {}
    for resource in ("memory", "ephemeral-storage"):
        for which in ("limits", "requests"):
            value = (resources.get(which) or {}).get(resource)
            yield from _fraction(value, f"{path}.resources.{which}[{resource}]")
    yield from _variables(container.get("env") or (), path)


def _variables(variables: Any, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, row in enumerate(variables):
        name, value = row.get("name") or "", row.get("value") or ""
        if name in seen:
            reference = f"$({name})"
            if row.get("valueFrom") is not None or value == reference or reference not in value:
                text = f"hides previous definition of {quote(name)}, which may be dropped when using apply"
                yield f"{path}.env[{index}]: {text}"
        seen.add(name)


def _ports(spec: Object, path: str) -> Iterator[str]:
    seen: dict[str, list[tuple[str, str, int]]] = {}
    found: list[tuple[str, str]] = []
    for where, container in containers_of(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            here, address, host = f"{where}.ports[{index}]", port.get("hostIP") or "", port.get("hostPort") or 0
            if address and not host:
                yield f"{here}: hostIP set without hostPort: {_go_port(port)}"
            others = seen.setdefault(f"{port.get('containerPort') or 0}/{port.get('protocol') or ''}", [])
            for other, other_address, other_host in others:
                if (address, host) == (other_address, other_host):
                    yield f"{here}: duplicate port definition with {other}"
                elif not host or not other_host:
                    yield f"{here}: overlapping port definition with {other}"
                elif host == other_host and bool(address) != bool(other_address):
                    yield f"{here}: dangerously ambiguous port definition with {other}"
            others.append((here, address, host))
            if port.get("name"):
                found.append((port["name"], here))
    first: dict[str, str] = {}
    for name, here in found:
        other = first.setdefault(name, here)
        if other != here:
            text = f"duplicate port name {quote(name)} with {other}, services and probes that select ports by name"
            yield f"{here}: {text} will use {other}"


def _go_port(port: Object) -> str:
    """A container port as Go prints the struct."""
    return (
        f"{{Name:{port.get('name') or ''} HostPort:{port.get('hostPort') or 0} "
        f"ContainerPort:{port.get('containerPort') or 0} Protocol:{port.get('protocol') or ''} "
        f"HostIP:{port.get('hostIP') or ''}}}"
    )


def _null_selectors(spec: Object, path: str) -> Iterator[str]:
    affinity = spec.get("affinity") or {}
    for which in ("podAffinity", "podAntiAffinity"):
        rules, where = affinity.get(which) or {}, f"{path}.affinity.{which}"
        for index, term in enumerate(rules.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{where}.{_REQUIRED}[{index}].labelSelector: {_NULL_SELECTOR}"
        for index, weighted in enumerate(rules.get(_PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{where}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NULL_SELECTOR}"


def address_warnings(text: str, path: str) -> list[str]:
    """An address that is valid but not written in its canonical form."""
    address = parse_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None and str(address) != text:
        shown = quote(str(address))
        return [f"{path}: IPv6 address {quote(text)} should be in RFC 5952 canonical format ({shown})"]
    return []
