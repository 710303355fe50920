"""What the general road of a write does differently for custom kinds: schema, pruning, defaults, scale paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.apiserver.resource import Resource
from podsysctl.base.errors import FieldError
from podsysctl.objects import names, structural
from podsysctl.objects.decode import Decoded
from podsysctl.objects.patch import tree
from podsysctl.objects.validation import meta as metadata_rules

Object = dict[str, Any]


def version_of(resource: Resource) -> Mapping[str, Any]:
    """The part of the definition that describes the resource's version."""
    assert resource.definition is not None
    versions = resource.definition["spec"]["versions"]
    found: Mapping[str, Any] = next(v for v in versions if v["name"] == resource.kind.version)
    return found


def scale_paths(resource: Resource) -> Mapping[str, str]:
    """The `scale` declaration: specReplicasPath, statusReplicasPath, labelSelectorPath."""
    declared: Mapping[str, str] = (version_of(resource).get("subresources") or {}).get("scale") or {}
    return declared


def prune(resource: Resource, decoded: Decoded) -> Decoded:
    """Take away what the schema does not declare; each such field is a problem for field validation."""
    pruned, unknown = structural.prune(decoded.object, resource.schema)
    return Decoded(pruned, [*decoded.problems, *(f'unknown field "{path}"' for path in unknown)])


def apply_defaults(resource: Resource, obj: Object) -> None:
    """Fill in the schema's defaults, in place."""
    filled = structural.apply_defaults(structural.drop_nulls(obj, resource.schema), resource.schema)
    if filled is not obj:
        obj.clear()
        obj.update(filled)


def _has_status(resource: Resource) -> bool:
    return (version_of(resource).get("subresources") or {}).get("status") is not None


def prepare_create(resource: Resource, obj: Object) -> None:
    """A new object is of generation 1; with a status subresource its status is dropped."""
    obj["metadata"]["generation"] = 1
    if _has_status(resource):
        obj.pop("status", None)


def prepare_update(resource: Resource, obj: Object, old: Object, subresource: str) -> None:
    """Each path changes its own part, and whatever is not status counts as a new generation.

    Without a status subresource all fields are one part. Source: Kubernetes 1.36
    `apiextensions-apiserver/pkg/registry/customresource/{strategy,status_strategy}.go`.
    """
    if subresource == "status":
        _prepare_status(obj, old)
        return
    if _has_status(resource):
        _keep(obj, old, "status")
    metadata, stored = obj["metadata"], old["metadata"]
    _keep(metadata, stored, "generation")
    own = {*obj, *old} - {"metadata", "kind", "apiVersion"}
    if any(not tree.equal(obj.get(key), old.get(key)) for key in own):
        metadata["generation"] = int(stored.get("generation") or 0) + 1
    if not metadata.get("uid"):
        _keep(metadata, stored, "uid")
    for key in ("creationTimestamp", "deletionTimestamp"):
        _keep(metadata, stored, key)
    if metadata.get("deletionGracePeriodSeconds") is None:
        _keep(metadata, stored, "deletionGracePeriodSeconds")


def _prepare_status(obj: Object, old: Object) -> None:
    """All but status, managedFields and version stays as stored."""
    metadata = {**old["metadata"]}
    for key in ("managedFields", "resourceVersion"):
        _keep(metadata, obj["metadata"], key)
    state = obj.get("status")
    obj.clear()
    obj.update({key: value for key, value in old.items() if key != "status"}, metadata=metadata)
    if state is not None:
        obj["status"] = state


def _keep(obj: Object, old: Object, key: str) -> None:
    """`obj[key]` as in `old`, absent when it is there."""
    obj.pop(key, None)
    if old.get(key) is not None:
        obj[key] = old[key]


def validate(resource: Resource, obj: Object, old: Object | None, subresource: str) -> list[FieldError]:
    """Metadata rules, then the schema."""
    errors: list[FieldError] = []
    metadata_rules.validate_metadata(
        obj["metadata"], resource.kind.namespaced, names.name_subdomain, errors, is_core=False
    )
    if old is not None:
        metadata_rules.validate_metadata_update(obj["metadata"], old["metadata"], errors)
    errors += structural.validate(obj, resource.schema, old)
    return errors
