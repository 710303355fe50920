"""What the general road of a write does differently for custom kinds: schema, pruning, defaults, scale paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.apiserver.resource import Resource
from podsysctl.base.errors import FieldError
from podsysctl.objects import names, structural
from podsysctl.objects.decode import Decoded
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
