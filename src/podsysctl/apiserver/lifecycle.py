"""What happens to an object's content on its way in, whichever kind it is: defaults, checks, ownership."""

from __future__ import annotations

import random
import uuid
from typing import Any

from podsysctl.apiserver import customresource
from podsysctl.apiserver.resource import Resource
from podsysctl.base.clock import Clock
from podsysctl.base.errors import FieldError
from podsysctl.objects import defaults, names, status, validation
from podsysctl.objects.patch import managed
from podsysctl.objects.validation import meta

Object = dict[str, Any]

_GENERATED_CHARS = "bcdfghjklmnpqrstvwxz2456789"
_GENERATED_BASE = 58
"""A generated name is at most 63 characters: a base of this length and five random ones."""


def apply_defaults(resource: Resource, obj: Object) -> None:
    """Fill in what the client left out."""
    if resource.definition is not None:
        customresource.apply_defaults(resource, obj)
    else:
        defaults.apply_defaults(resource.kind, obj)


def validate(resource: Resource, obj: Object, old: Object | None = None, subresource: str = "") -> list[FieldError]:
    """Everything that is wrong with an object, in upstream's words and order.

    A new object is judged by its kind's rules, and by those of all objects when these find nothing; a changed
    one the other way round and by both (apiserver `registry/rest`, BeforeCreate and BeforeUpdate).
    """
    if resource.definition is not None:
        return customresource.validate(resource, obj, old, subresource)
    kind, metadata = resource.kind, obj["metadata"]
    if old is None:
        errors = validation.validate(kind, obj)
        if not errors:
            meta.validate_metadata(metadata, kind.namespaced, names.name_path_segment, errors, is_core=False)
        return errors
    errors = []
    meta.validate_metadata(metadata, kind.namespaced, names.name_path_segment, errors, is_core=False)
    meta.validate_metadata_update(metadata, old["metadata"], errors)
    return errors + validation.validate(kind, obj, old, subresource)


def generate_name(base: str) -> str:
    """A name from `metadata.generateName`."""
    return base[:_GENERATED_BASE] + "".join(random.choices(_GENERATED_CHARS, k=5))


def metadata_of(obj: Object) -> Object:
    """The object's metadata, made when absent."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        metadata = obj["metadata"] = {}
    return metadata


def match_namespace(obj: Object, namespace: str) -> None:
    """Give the object the request's namespace. Raises StatusError 400 when it names another one."""
    metadata = metadata_of(obj)
    if not namespace:
        metadata.pop("namespace", None)
    elif not metadata.get("namespace"):
        metadata["namespace"] = namespace
    elif metadata["namespace"] != namespace:
        text = "the namespace of the provided object does not match the namespace sent on the request"
        raise status.bad_request(text)


def match_name(obj: Object, name: str) -> None:
    """Raises StatusError 400 when the object has another name than the path."""
    found = metadata_of(obj).get("name", "")
    if found != name:
        text = f"the name of the object ({found}) does not match the name on the URL ({name})"
        if not found:
            text = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise status.bad_request(text)


def stamp_new(obj: Object, now: str) -> None:
    """The metadata that only the server gives a new object."""
    metadata = metadata_of(obj)
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "resourceVersion"):
        metadata.pop(key, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now


def keep_identity(obj: Object, old: Object) -> None:
    """The metadata that no update changes, put back after the strategy has run; generation is its business."""
    metadata, stored = obj["metadata"], old["metadata"]
    if not metadata.get("uid"):
        metadata["uid"] = stored.get("uid")
    for key in ("creationTimestamp", "deletionTimestamp"):
        if stored.get(key) is not None:
            metadata[key] = stored[key]
        else:
            metadata.pop(key, None)
    grace = stored.get("deletionGracePeriodSeconds")
    if grace is not None and metadata.get("deletionGracePeriodSeconds") is None:
        metadata["deletionGracePeriodSeconds"] = grace
    metadata.pop("selfLink", None)


def keep_generation(obj: Object, old: Object) -> None:
    """The stored generation, before the strategy counts."""
    generation = old["metadata"].get("generation")
    if generation is None:
        obj["metadata"].pop("generation", None)
    else:
        obj["metadata"]["generation"] = generation


def record_managers(
    resource: Resource, obj: Object, old: Object | None, *, manager: str, subresource: str, clock: Clock
) -> None:
    """Set managedFields for a write that is no apply."""
    entries = managed.record_update(
        old,
        obj,
        manager=manager,
        schema=resource.schema,
        api_version=resource.kind.api_version,
        now=clock.now(),
        subresource=subresource,
    )
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)
