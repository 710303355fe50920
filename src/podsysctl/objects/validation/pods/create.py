"""Rules of a new pod and of pod templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, forbidden
from podsysctl.objects.validation.meta import validate_annotations, validate_labels, validate_metadata
from podsysctl.objects.validation.pods.annotations import validate_pod_annotations, validate_profile_matches
from podsysctl.objects.validation.pods.containers import validate_image_spaces
from podsysctl.objects.validation.pods.options import PodOptions, options_for
from podsysctl.objects.validation.pods.spec import validate_spec

Object = Mapping[str, Any]


def validate_pod(pod: Object, errors: Errors) -> None:
    """A pod in a create request (ValidatePodCreate)."""
    options = options_for(None, is_pod=True)
    validate_metadata_and_spec(pod, options, errors)
    spec, annotations = pod.get("spec") or {}, (pod.get("metadata") or {}).get("annotations") or {}
    if spec.get("ephemeralContainers"):
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        errors.append(forbidden("spec.nodeName", text))
    validate_profile_matches(annotations, spec, errors, "spec")


def validate_metadata_and_spec(pod: Object, options: PodOptions, errors: Errors) -> None:
    """What creates and updates of pods share (validatePodMetadataAndSpec)."""
    meta, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    validate_metadata(meta, True, names.name_subdomain, errors)
    validate_pod_annotations(meta.get("annotations") or {}, spec, options, errors, "metadata.annotations")
    validate_spec(spec, meta, options, errors, "spec")
    if not spec.get("serviceAccountName"):
        for index, volume in enumerate(spec.get("volumes") or ()):
            for position, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
                if source.get("serviceAccountToken") is not None:
                    where = f"spec.volumes[{index}].projected.sources[{position}].serviceAccountToken"
                    errors.append(forbidden(where, "must not be specified when serviceAccountName is not set"))
    for list_name in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(list_name) or ()):
            validate_image_spaces(container, errors, f"spec.{list_name}[{index}]")


def validate_template(template: Object, options: PodOptions, errors: Errors, path: str) -> None:
    """The pod template of a workload (ValidatePodTemplateSpec)."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    validate_labels(meta.get("labels"), errors, f"{path}.labels")
    annotations = meta.get("annotations") or {}
    validate_annotations(annotations, errors, f"{path}.annotations")
    validate_pod_annotations(annotations, spec, options, errors, f"{path}.annotations")
    validate_spec(spec, None, options, errors, f"{path}.spec")
    validate_profile_matches(annotations, spec, errors, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", text))
