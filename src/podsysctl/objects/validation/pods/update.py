"""What may change of a pod that exists: images, deadlines, tolerations, gates (core validation ValidatePodUpdate)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names, schema
from podsysctl.objects.equal import semantic_equal
from podsysctl.objects.internal import diff_specs, diff_values, internal_json
from podsysctl.objects.validation.fields import Errors, forbidden, invalid, required
from podsysctl.objects.validation.meta import validate_metadata_update
from podsysctl.objects.validation.pods.annotations import (
    MIRROR,
    validate_annotation_updates,
    validate_pod_annotations,
)
from podsysctl.objects.validation.pods.create import validate_metadata_and_spec
from podsysctl.objects.validation.pods.options import PodOptions, Spec, options_for
from podsysctl.objects.validation.pods.scheduling import validate_added_tolerations, validate_deleted_gates

Object = Mapping[str, Any]
_LARGEST_INT32 = (1 << 31) - 1
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(new: Object, old: Object, errors: Errors) -> None:
    """A pod in an update request."""
    options = _shared(new, old, errors)
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    for list_name in ("containers", "initContainers"):
        if not _validate_images(spec, old_spec, list_name, errors):
            return
    if not _validate_deadline(spec, old_spec, errors):
        return
    tolerations = (spec.get("tolerations") or (), old_spec.get("tolerations") or ())
    validate_added_tolerations(*tolerations, options, errors, "spec.tolerations")
    gates = (spec.get("schedulingGates") or (), old_spec.get("schedulingGates") or ())
    validate_deleted_gates(*gates, errors, "spec.schedulingGates")
    kind = schema.builtin("core/v1.PodSpec")
    if semantic_equal(spec, old_spec, kind):
        return
    allowed = _with_allowed_changes(spec, old_spec, errors)
    if not semantic_equal(allowed, old_spec, kind):
        text = f"pod updates may not change fields other than {_UPDATABLE}\n{diff_specs(old_spec, allowed)}"
        errors.append(forbidden("spec", text))


def _shared(new: Object, old: Object, errors: Errors) -> PodOptions:
    options = options_for(old.get("spec") or {}, old.get("metadata"), is_pod=True)
    validate_metadata_update(new.get("metadata") or {}, old.get("metadata") or {}, errors)
    validate_finalizers(new, errors)
    validate_metadata_and_spec(new, options, errors)
    _validate_annotations(new, old, options, errors)
    return options


def validate_finalizers(new: Object, errors: Errors) -> None:
    """Core kinds check the short names of finalizers on updates too."""
    from podsysctl.objects.validation.meta import validate_finalizer_names

    validate_finalizer_names(new.get("metadata") or {}, errors)


def _validate_annotations(new: Object, old: Object, options: PodOptions, errors: Errors) -> None:
    annotations = (new.get("metadata") or {}).get("annotations") or {}
    before = (old.get("metadata") or {}).get("annotations") or {}
    validate_annotation_updates(annotations, before, errors, "metadata.annotations")
    validate_pod_annotations(annotations, new.get("spec") or {}, options, errors, "metadata.annotations")


def _validate_images(spec: Spec, old: Spec, list_name: str, errors: Errors) -> bool:
    containers = spec.get(list_name) or ()
    if len(containers) != len(old.get(list_name) or ()):
        errors.append(forbidden(f"spec.{list_name}", "pod updates may not add or remove containers"))
        return False
    for index, container in enumerate(containers):
        image = container.get("image") or ""
        where = f"spec.{list_name}[{index}].image"
        if not image:
            errors.append(required(where))
        if image.strip() != image:
            errors.append(invalid(where, image, "must not have leading or trailing whitespace"))
    return True


def _validate_deadline(spec: Spec, old: Spec, errors: Errors) -> bool:
    new_s, old_s = spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    where = "spec.activeDeadlineSeconds"
    if new_s is not None:
        if not 0 <= new_s <= _LARGEST_INT32:
            errors.append(invalid(where, new_s, names.range_error(0, _LARGEST_INT32)))
            return False
        if old_s is not None and old_s < new_s:
            errors.append(invalid(where, new_s, "must be less than or equal to previous value"))
            return False
    elif old_s is not None:
        errors.append(invalid(where, None, "must not update from a positive integer to nil value"))
    return True


def _with_allowed_changes(spec: Spec, old: Spec, errors: Errors) -> dict[str, Any]:
    """The new specification with every permitted change taken back, to see whether others are left."""
    out = dict(spec)
    for list_name in ("containers", "initContainers"):
        if spec.get(list_name):
            pairs = zip(spec[list_name], old[list_name], strict=True)
            out[list_name] = [{**container, "image": before.get("image", "")} for container, before in pairs]
    for key in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _take_back(out, old, key)
    grace_s = old.get("terminationGracePeriodSeconds")
    if grace_s is not None and grace_s < 0 and out.get("terminationGracePeriodSeconds") == 1:
        out["terminationGracePeriodSeconds"] = grace_s
    if old.get("schedulingGates"):
        _take_back_gated(out, old, errors)
    return out


def _take_back(out: dict[str, Any], old: Spec, key: str) -> None:
    out.pop(key, None)
    if old.get(key) is not None:
        out[key] = old[key]


def _take_back_gated(out: dict[str, Any], old: Spec, errors: Errors) -> None:
    """A pod that is not yet scheduled may narrow where it wants to be."""
    selector, before = out.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if selector != before:
        if any(selector.get(key) != value for key, value in before.items()):
            text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            errors.append(invalid("spec.nodeSelector", dict(sorted(selector.items())) or None, text))
        _take_back(out, old, "nodeSelector")
    affinity, old_affinity = out.get("affinity"), old.get("affinity")
    nodes = (affinity or {}).get("nodeAffinity")
    old_nodes = (old_affinity or {}).get("nodeAffinity")
    if semantic_equal(nodes, old_nodes, schema.builtin("core/v1.NodeAffinity")):
        return
    _validate_node_affinity(nodes, old_nodes, errors)
    others = any((affinity or {}).get(key) is not None for key in ("podAffinity", "podAntiAffinity"))
    if affinity is None:
        out["affinity"] = {"nodeAffinity": old_nodes}
    elif old_affinity is None and not others:
        del out["affinity"]
    else:
        out["affinity"] = {k: v for k, v in affinity.items() if k != "nodeAffinity"}
        if old_nodes is not None:
            out["affinity"]["nodeAffinity"] = old_nodes


def _validate_node_affinity(new: Any, old: Any, errors: Errors) -> None:
    if old is None or old.get(_REQUIRED) is None:
        return
    terms = ((new or {}).get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    old_terms = old[_REQUIRED].get("nodeSelectorTerms") or []
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    if old_terms and len(old_terms) != len(terms):
        shown = [internal_json("NodeSelectorTerm", term) for term in terms] or None
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.append(invalid(path, shown, text))
        return
    for index, (term, before) in enumerate(zip(terms, old_terms, strict=False)):
        if not _only_adds(term, before):
            shown_term = internal_json("NodeSelectorTerm", term)
            text = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid(f"{path}[{index}]", shown_term, text))


def _only_adds(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    if not (old.get("matchExpressions") or old.get("matchFields")):
        return not (new.get("matchExpressions") or new.get("matchFields"))
    for key in ("matchExpressions", "matchFields"):
        before = old.get(key) or []
        if (new.get(key) or [])[: len(before)] != before:
            return False
    return True


def validate_ephemeral_update(new: Object, old: Object, errors: Errors) -> None:
    """Ephemeral containers may be added; those that are there stay as they are."""
    _shared(new, old, errors)
    if MIRROR in ((old.get("metadata") or {}).get("annotations") or {}):
        errors[:] = [forbidden("[]", "static pods do not support ephemeral containers")]
        return
    path = "spec.ephemeralContainers"
    by_name = {c.get("name"): c for c in (new.get("spec") or {}).get("ephemeralContainers") or ()}
    for before in (old.get("spec") or {}).get("ephemeralContainers") or ():
        name = before.get("name")
        container = by_name.get(name)
        if container is None:
            errors.append(forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif not semantic_equal(container, before, schema.builtin("core/v1.EphemeralContainer")):
            shown = diff_values("EphemeralContainer", before, container)
            errors.append(forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n{shown}'))
