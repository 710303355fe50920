"""What the server itself decides about a new or changed pod: status, generation, QoS class, synced fields.

Runs after admission and before validation, as upstream's registry/core/pod strategy does. `warn` takes texts for
the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from podsysctl.objects import schema
from podsysctl.objects.equal import semantic_equal
from podsysctl.objects.resources import qos_class
from podsysctl.objects.validation.fields import Errors
from podsysctl.objects.validation.pods.annotations import APP_ARMOR
from podsysctl.objects.validation.pods.options import CONTAINER_LISTS
from podsysctl.objects.validation.pods.security import validate_app_armor

Object = dict[str, Any]
Warn = Callable[[str], None]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def prepare_create(pod: Object, warn: Warn) -> None:
    """A new pod is pending, of the first generation, with the QoS class its containers ask for."""
    spec = pod["spec"]
    pod["metadata"]["generation"] = 1
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod)}
    drop_disabled_fields(spec, None)
    if spec.get("schedulingGates"):
        pod["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": pod["metadata"].get("creationTimestamp"),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    merge_label_keys(pod)
    _sync_app_armor(pod, warn)


def merge_label_keys(pod: Object) -> None:
    """The pod's own values of its matchLabelKeys and mismatchLabelKeys become part of the selectors beside them."""
    spec, labels = pod["spec"], pod["metadata"].get("labels") or {}
    for term in _affinity_terms(spec):
        _apply_label_keys(term, term.get("matchLabelKeys"), "In", labels)
        _apply_label_keys(term, term.get("mismatchLabelKeys"), "NotIn", labels)
    for constraint in spec.get("topologySpreadConstraints") or ():
        _apply_label_keys(constraint, constraint.get("matchLabelKeys"), "In", labels)


def prepare_update(pod: Object, old: Object) -> None:
    """An update of the main path leaves the status alone and counts changes of the specification."""
    _keep(pod, old, "status")
    drop_disabled_fields(pod["spec"], old.get("spec"))
    bump_generation(pod, old)


def prepare_status_update(pod: Object, old: Object) -> None:
    """An update of the status leaves everything else of weight alone."""
    meta, old_meta = pod["metadata"], old["metadata"]
    pod["spec"] = old["spec"]
    meta.pop("deletionTimestamp", None)
    _keep(meta, old_meta, "ownerReferences")
    status, old_status = pod.setdefault("status", {}), old.get("status") or {}
    for key in ("qosClass", "observedGeneration"):
        if not status.get(key) and old_status.get(key):
            status[key] = old_status[key]
    generations: dict[str, list[int]] = {}
    for condition in old_status.get("conditions") or ():
        generations.setdefault(condition.get("type", ""), []).append(condition.get("observedGeneration") or 0)
    for condition in status.get("conditions") or ():
        known = generations.get(condition.get("type", ""))
        before = known.pop(0) if known else 0
        if not condition.get("observedGeneration") and before:
            condition["observedGeneration"] = before


def prepare_ephemeral_update(pod: Object, old: Object) -> None:
    """Of an update of the ephemeral containers only those count."""
    containers = (pod.get("spec") or {}).get("ephemeralContainers")
    pod["spec"] = {key: value for key, value in old["spec"].items() if key != "ephemeralContainers"}
    if containers:
        pod["spec"]["ephemeralContainers"] = containers
    _keep(pod, old, "status")
    reset_metadata_for_status(pod["metadata"], old["metadata"])
    bump_generation(pod, old)


def reset_metadata_for_status(meta: Object, old_meta: Object) -> None:
    """Metadata that updates of a part may not touch (ResetObjectMetaForStatus)."""
    for key in ("deletionTimestamp", "generation", "labels", "annotations", "finalizers", "ownerReferences"):
        _keep(meta, old_meta, key)


def bump_generation(pod: Object, old: Object) -> None:
    """One more generation when the specification changed."""
    if not semantic_equal(pod["spec"], old.get("spec") or {}, schema.builtin("core/v1.PodSpec")):
        pod["metadata"]["generation"] = (pod["metadata"].get("generation") or 0) + 1


def _keep(obj: Object, old: Object, key: str) -> None:
    obj.pop(key, None)
    if old.get(key) is not None:
        obj[key] = old[key]


def drop_disabled_fields(spec: Object, old: Object | None) -> None:
    """Leave out what features of 1.36 that are off by default would bring, unless the old object has it."""
    old = old or {}
    if spec.get("schedulingGroup") is not None and old.get("schedulingGroup") is None:
        del spec["schedulingGroup"]
    for name in ("clusterTrustBundle", "podCertificate"):
        if not any(source.get(name) is not None for source in _projected(old)):
            for source in _projected(spec):
                source.pop(name, None)
    if not any((c.get("lifecycle") or {}).get("stopSignal") for c in _containers(old)):
        for container in _containers(spec):
            lifecycle = container.get("lifecycle")
            if lifecycle is not None and lifecycle.pop("stopSignal", None) is not None and not lifecycle:
                del container["lifecycle"]


def _containers(spec: Object) -> Iterator[Object]:
    for list_name in CONTAINER_LISTS:
        yield from spec.get(list_name) or ()


def _projected(spec: Object) -> Iterator[Object]:
    for volume in spec.get("volumes") or ():
        yield from (volume.get("projected") or {}).get("sources") or ()


def _affinity_terms(spec: Object) -> Iterator[Object]:
    affinity = spec.get("affinity") or {}
    for which in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(which) or {}
        for weighted in rules.get(_PREFERRED) or ():
            yield weighted.get("podAffinityTerm") or {}
        yield from rules.get(_REQUIRED) or ()


def _apply_label_keys(holder: Object, keys: list[str] | None, operator: str, labels: dict[str, str]) -> None:
    selector = holder.get("labelSelector")
    if not keys or selector is None:
        return
    found = [{"key": key, "operator": operator, "values": [labels[key]]} for key in keys if key in labels]
    if found:
        selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *found]


def app_armor_field(annotation: str) -> Object | None:
    """The field that an AppArmor annotation stands for; None when it stands for nothing."""
    if annotation == "unconfined":
        return {"type": "Unconfined"}
    if annotation == "runtime/default":
        return {"type": "RuntimeDefault"}
    name = annotation.removeprefix("localhost/")
    return {"type": "Localhost", "localhostProfile": name} if name and name != annotation else None


def _sync_app_armor(pod: Object, warn: Warn) -> None:
    """Old AppArmor annotations become fields, with a warning."""
    spec, annotations = pod["spec"], pod["metadata"].get("annotations") or {}
    if not annotations or (spec.get("os") or {}).get("name") == "windows":
        return
    pod_profile = (spec.get("securityContext") or {}).get("appArmorProfile")
    for container in _containers(spec):
        key = APP_ARMOR + (container.get("name") or "")
        has_field = (container.get("securityContext") or {}).get("appArmorProfile") is not None
        if key not in annotations or has_field:
            continue
        field = app_armor_field(annotations[key])
        errors: Errors = []
        validate_app_armor(field, errors, "")
        if errors:
            field = None
        differs = field is not None and field != pod_profile
        if differs:
            container.setdefault("securityContext", {})["appArmorProfile"] = field
        if differs or field is None:
            warn(f'metadata.annotations[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead')
