"""The downward API: what a container may learn of its own pod, as text. Pure (pkg/fieldpath, pkg/api/v1/resource)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from podsysctl.node import amounts
from podsysctl.node import pod as pods
from podsysctl.node.security import ContainerConfigError

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the downward API says of the node: addresses, and allocatable cpu (thousandths) and others (units)."""

    ips: tuple[str, ...]
    allocatable: dict[str, int]


def field(pod: pods.Pod, path: str, node: NodeFacts, pod_ips: tuple[str, ...]) -> str:
    """The text of a fieldRef. Raises ContainerConfigError for a path that is not supported."""
    spec = pods.spec(pod)
    known = {
        "metadata.name": pods.name(pod),
        "metadata.namespace": pods.namespace(pod),
        "metadata.uid": pods.uid(pod),
        "metadata.labels": _format_map(pods.labels_of(pod)),
        "metadata.annotations": _format_map(pods.annotations_of(pod)),
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.serviceAccountName": spec.get("serviceAccountName") or "",
        "status.hostIP": node.ips[0] if node.ips else "",
        "status.hostIPs": ",".join(node.ips),
        "status.podIP": pod_ips[0] if pod_ips else "",
        "status.podIPs": ",".join(pod_ips),
    }
    if path in known:
        return str(known[path])
    match = _SUBSCRIPT.fullmatch(path)
    if match is None:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    source = pods.labels_of(pod) if match[1] == "labels" else pods.annotations_of(pod)
    return source.get(match[2], "")


def _format_map(entries: dict[str, str]) -> str:
    """A map as lines key="value", sorted; values quoted as Go quotes them."""
    return "\n".join(f"{key}={_quote(value)}" for key, value in sorted(entries.items()))


def _quote(text: str) -> str:
    return '"' + text.translate(_ESCAPES) + '"'


def resource(pod: pods.Pod, container: pods.Container | None, reference: dict[str, Any], node: NodeFacts) -> str:
    """The text of a resourceFieldRef: the amount divided by its divisor, rounded up.

    A limit that is not set reads as the node's allocatable amount. Raises ContainerConfigError.
    """
    name = reference.get("containerName")
    if name:
        container = pods.find_container(pod, name)
    if container is None:
        raise ContainerConfigError(f"container {name} not found")
    group, _, kind = reference["resource"].partition(".")
    if group not in ("limits", "requests"):
        raise ContainerConfigError(f"unsupported container resource : {reference['resource']}")
    requirements = container.get("resources") or {}
    given = (requirements.get(group) or {}).get(kind)
    if given is None and group == "requests":
        given = (requirements.get("limits") or {}).get(kind)
        amount = 0 if given is None else amounts.of(kind, given)
    else:
        amount = node.allocatable.get(kind, 0) if given is None else amounts.of(kind, given)
    divisor = reference.get("divisor")
    unit = 1000 if kind == "cpu" else 1
    if divisor is not None and str(divisor) not in ("", "0"):
        unit = amounts.of(kind, divisor)
    return str(-(-amount // max(1, unit)))
