"""Defaults of pods and of the pod templates inside workloads (Kubernetes 1.36 pkg/apis/core/v1/defaults.go)."""

from __future__ import annotations

from typing import Any

from podsysctl.objects.defaults.fill import child, fill, fill_null, fill_zero, items
from podsysctl.objects.imagename import default_tag
from podsysctl.objects.quantity import Quantity, parse_quantity, round_up_to_milli
from podsysctl.objects.resources import is_huge_page, is_overcommit_allowed, is_pod_level, pod_sum

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_OLD_ANNOTATIONS = [
    f"pod.{stage}.kubernetes.io/init-container{what}" for stage in ("beta", "alpha") for what in ("s", "-statuses")
]


def default_pod(pod: dict[str, Any]) -> None:
    """A whole pod: first what only pods get, then the specification."""
    spec = child(pod, "spec")
    for list_name in ("containers", "initContainers"):
        for container in items(spec, list_name):
            _requests_from_limits(container)
    _default_pod_level(spec)
    fill(spec, "enableServiceLinks", True)
    if spec.get("hostNetwork"):
        for list_name in ("containers", "initContainers"):
            for container in items(spec, list_name):
                for port in items(container, "ports"):
                    fill_zero(port, "hostPort", port.get("containerPort", 0))
    default_pod_spec(spec)
    _drop_old_annotations(pod.get("metadata"))
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    status = pod.get("status") or {}
    _sync_addresses(status)
    _round_resources(status)
    round_resource_list(status.get("allocatedResources"))
    for list_name in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for entry in items(status, list_name):
            round_resource_list(entry.get("allocatedResources"))
            _round_resources(entry)


def default_template(template: dict[str, Any]) -> None:
    """The pod template of a workload."""
    _drop_old_annotations(child(template, "metadata"))
    default_pod_spec(child(template, "spec"))


def default_pod_spec(spec: dict[str, Any]) -> None:
    """What pods and templates share."""
    fill(spec, "dnsPolicy", "ClusterFirst")
    fill(spec, "restartPolicy", "Always")
    child(spec, "securityContext")
    fill(spec, "terminationGracePeriodSeconds", 30)
    fill(spec, "schedulerName", "default-scheduler")
    sync_service_account(spec)
    for volume in items(spec, "volumes"):
        _default_volume(volume)
    for list_name in CONTAINER_LISTS:
        for container in items(spec, list_name):
            default_container(container)
    round_resource_list(spec.get("overhead"))
    _round_resources(spec)


def _drop_old_annotations(metadata: dict[str, Any] | None) -> None:
    """Annotations from before init containers were fields are taken out, as upstream's conversion does."""
    annotations = (metadata or {}).get("annotations") or {}
    for name in _OLD_ANNOTATIONS if annotations else ():
        annotations.pop(name, None)
    if metadata and not annotations:
        metadata.pop("annotations", None)


def _sync_addresses(status: dict[str, Any]) -> None:
    """The pod's address and the first of its addresses are the same."""
    single, several = status.get("podIP"), status.get("podIPs")
    if single and (not several or several[0].get("ip") != single):
        status["podIPs"] = [{"ip": single}]
    elif several and several[0].get("ip"):
        status["podIP"] = several[0]["ip"]


def sync_service_account(spec: dict[str, Any]) -> None:
    """The service account has an old name beside the new one; both always say the same."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    for key in ("serviceAccountName", "serviceAccount"):
        if name:
            spec[key] = name
        else:
            spec.pop(key, None)


def default_container(container: dict[str, Any]) -> None:
    """One container of any of the three lists."""
    if not container.get("imagePullPolicy"):
        tag = default_tag(container.get("image", ""))
        container["imagePullPolicy"] = "Always" if tag == "latest" else "IfNotPresent"
    fill(container, "terminationMessagePath", "/dev/termination-log")
    fill(container, "terminationMessagePolicy", "File")
    for port in items(container, "ports"):
        fill(port, "protocol", "TCP")
    for variable in items(container, "env"):
        source = variable.get("valueFrom") or {}
        _default_field_ref(source.get("fieldRef"))
        if source.get("fileKeyRef") is not None:
            fill(source["fileKeyRef"], "optional", False)
    _round_resources(container)
    for name in _PROBES:
        if container.get(name) is not None:
            _default_probe(container[name])
    lifecycle = container.get("lifecycle") or {}
    for hook in ("postStart", "preStop"):
        _default_http_get((lifecycle.get(hook) or {}).get("httpGet"))


def _default_probe(probe: dict[str, Any]) -> None:
    fill_zero(probe, "timeoutSeconds", 1)
    fill_zero(probe, "periodSeconds", 10)
    fill_zero(probe, "successThreshold", 1)
    fill_zero(probe, "failureThreshold", 3)
    _default_http_get(probe.get("httpGet"))
    if probe.get("grpc") is not None and probe["grpc"].get("service") is None:
        probe["grpc"]["service"] = ""


def _default_http_get(action: dict[str, Any] | None) -> None:
    if action is not None:
        fill(action, "path", "/")
        fill(action, "scheme", "HTTP")


def _default_field_ref(selector: dict[str, Any] | None) -> None:
    if selector is not None:
        fill(selector, "apiVersion", "v1")


_VOLUME_FILLS: dict[str, dict[str, Any]] = {
    "hostPath": {"type": ""},
    "secret": {"defaultMode": 0o644},
    "configMap": {"defaultMode": 0o644},
    "downwardAPI": {"defaultMode": 0o644},
    "projected": {"defaultMode": 0o644},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_POINTERS = ("hostPath", "azureDisk")


def _default_volume(volume: dict[str, Any]) -> None:
    sources = [key for key, value in volume.items() if key != "name" and value is not None]
    if not sources:
        volume["emptyDir"] = {}
    for source in sources:
        body = volume[source]
        for key, value in _VOLUME_FILLS.get(source, {}).items():
            (fill_null if source in _POINTERS else fill)(body, key, value)
    if volume.get("image") is not None and not volume["image"].get("pullPolicy"):
        tag = default_tag(volume["image"].get("reference", ""))
        volume["image"]["pullPolicy"] = "Always" if tag == "latest" else "IfNotPresent"
    for item in items(volume.get("downwardAPI"), "items"):
        _default_field_ref(item.get("fieldRef"))
    if volume.get("projected") is not None and not volume["projected"].get("sources"):
        volume["projected"]["sources"] = None  # as it is read back from upstream's storage
    for source_row in items(volume.get("projected"), "sources"):
        for item in items(source_row.get("downwardAPI"), "items"):
            _default_field_ref(item.get("fieldRef"))
        if source_row.get("serviceAccountToken") is not None:
            fill(source_row["serviceAccountToken"], "expirationSeconds", 3600)
    template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if template is not None:
        default_claim_spec(child(template, "spec"))


def default_claim_spec(spec: dict[str, Any]) -> None:
    """The specification of a volume claim, in ephemeral volumes and claim templates."""
    fill_null(spec, "volumeMode", "Filesystem")
    _round_resources(spec)


def _requests_from_limits(container: dict[str, Any]) -> None:
    resources = container.get("resources") or {}
    limits = resources.get("limits")
    if limits is None:
        return
    requests = child(resources, "requests")
    for name, value in limits.items():
        requests.setdefault(name, value)
    if not requests:
        del resources["requests"]


def _default_pod_level(spec: dict[str, Any]) -> None:
    """Requests and limits of the pod as a whole, when it sets some of them (KEP-2837)."""
    resources = spec.get("resources")
    if resources is None:
        return
    if resources.get("limits") or resources.get("requests"):
        limits = dict(resources.get("limits") or {})
        for name, total in pod_sum(spec, "limits").items():
            if is_huge_page(name) and is_pod_level(name) and name not in (resources.get("requests") or {}):
                limits.setdefault(name, total.text)
        if limits:
            resources["limits"] = limits
    if not resources.get("limits"):
        return
    requests = dict(resources.get("requests") or {})
    for name, total in pod_sum(spec, "requests").items():
        if is_pod_level(name) and is_overcommit_allowed(name):
            requests.setdefault(name, total.text)
    for name, value in resources["limits"].items():
        if is_pod_level(name):
            requests.setdefault(name, value)
    if requests:
        resources["requests"] = requests


def _round_resources(holder: dict[str, Any]) -> None:
    resources = holder.get("resources") or {}
    round_resource_list(resources.get("limits"))
    round_resource_list(resources.get("requests"))


def round_resource_list(resources: dict[str, Any] | None) -> None:
    """Round amounts up to thousandths, in place."""
    for name, value in (resources or {}).items():
        quantity: Quantity = parse_quantity(value)
        if quantity.nanos % 1_000_000 and resources is not None:
            resources[name] = round_up_to_milli(quantity).text
