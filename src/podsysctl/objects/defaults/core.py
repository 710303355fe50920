"""Defaults of the smaller core, rbac, scheduling and authentication kinds."""

from __future__ import annotations

import base64
from typing import Any

from podsysctl.objects.defaults.fill import child, fill, fill_null, items
from podsysctl.objects.defaults.pods import round_resource_list

_RBAC_GROUP = "rbac.authorization.k8s.io"


def default_node(node: dict[str, Any]) -> None:
    """Allocatable resources are the capacity when the node does not say otherwise; the old and new field agree."""
    spec = child(node, "spec")
    single = spec.get("podCIDR")
    if single and (spec.get("podCIDRs") or [None])[0] != single:
        spec["podCIDRs"] = [single]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    status = child(node, "status")
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])
    round_resource_list(status.get("capacity"))
    round_resource_list(status.get("allocatable"))


def default_namespace(namespace: dict[str, Any]) -> None:
    """Every namespace carries its name as a label, and begins active."""
    metadata = child(namespace, "metadata")
    if metadata.get("name"):
        child(metadata, "labels")["kubernetes.io/metadata.name"] = metadata["name"]
    fill(child(namespace, "status"), "phase", "Active")


def default_secret(secret: dict[str, Any]) -> None:
    """A secret without a type is opaque; plain texts become data, as upstream's conversion has it."""
    fill(secret, "type", "Opaque")
    texts = secret.pop("stringData", None)
    if texts:
        data = child(secret, "data")
        data |= {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}


def default_service(service: dict[str, Any]) -> None:
    """Session affinity, type, port protocols and traffic policies."""
    spec = child(service, "spec")
    fill(spec, "sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = child(child(spec, "sessionAffinityConfig"), "clientIP")
        fill(config, "timeoutSeconds", 10800)
    fill(spec, "type", "ClusterIP")
    for port in items(spec, "ports"):
        fill(port, "protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    reachable = spec["type"] in ("LoadBalancer", "NodePort") or (
        spec["type"] == "ClusterIP" and spec.get("externalIPs")
    )
    if reachable:
        fill(spec, "externalTrafficPolicy", "Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer", "ClusterIP"):
        fill_null(spec, "internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        fill(spec, "allocateLoadBalancerNodePorts", True)
        for ingress in items((service.get("status") or {}).get("loadBalancer"), "ingress"):
            if ingress.get("ip"):
                fill_null(ingress, "ipMode", "VIP")


def default_role_binding(binding: dict[str, Any]) -> None:
    """API groups of the role and of users and groups."""
    fill(child(binding, "roleRef"), "apiGroup", _RBAC_GROUP)
    for subject in items(binding, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            fill(subject, "apiGroup", _RBAC_GROUP)


def default_priority_class(priority: dict[str, Any]) -> None:
    """Higher priorities preempt lower ones."""
    fill_null(priority, "preemptionPolicy", "PreemptLowerPriority")


def default_token_request(request: dict[str, Any]) -> None:
    """Tokens live an hour."""
    fill(child(request, "spec"), "expirationSeconds", 3600)
