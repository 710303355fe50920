"""What happens to an object's content on its way in, whichever kind it is: defaults, checks, ownership."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from typing import Any

import orjson

from podsysctl.apiserver import customresource
from podsysctl.apiserver.resource import Resource
from podsysctl.base.clock import Clock
from podsysctl.base.errors import FieldError
from podsysctl.objects import defaults, status, strategy, validation
from podsysctl.objects.patch import managed
from podsysctl.objects.patch.typed import ElementError

Object = dict[str, Any]

_GENERATED_CHARS = "bcdfghjklmnpqrstvwxz2456789"
_GENERATED_BASE = 58
"""A generated name is at most 63 characters: a base of this length and five random ones."""

_UID_BYTES, _UIDS_AT_ONCE = 16, 256
_entropy = bytearray()
"""What is left of what the kernel gave, each byte used once."""


def apply_defaults(resource: Resource, obj: Object) -> None:
    """Fill in what the client left out."""
    if resource.definition is not None:
        customresource.apply_defaults(resource, obj)
    else:
        defaults.apply_defaults(resource.kind, obj)


def prepare_create(resource: Resource, obj: Object, warn: Callable[[str], None]) -> None:
    """What the server sets in a new object and takes out of it."""
    if resource.definition is not None:
        customresource.prepare_create(resource, obj)
    else:
        strategy.prepare_create(resource.kind, obj, warn)


def prepare_update(resource: Resource, obj: Object, old: Object, subresource: str) -> None:
    """The same for a changed object, with the metadata that no update changes."""
    if resource.definition is not None:
        customresource.prepare_update(resource, obj, old, subresource)
    else:
        strategy.prepare_update(resource.kind, obj, old, subresource)
    metadata, stored = obj["metadata"], old["metadata"]
    for key in ("creationTimestamp", "deletionTimestamp"):
        if stored.get(key) is None:
            metadata.pop(key, None)
    metadata.pop("selfLink", None)


def validate(resource: Resource, obj: Object, old: Object | None = None, subresource: str = "") -> list[FieldError]:
    """Everything that is wrong with an object, in upstream's words and order."""
    if resource.definition is not None:
        return customresource.validate(resource, obj, old, subresource)
    if resource.to_storage is not None:
        return validation.validate(
            resource.kind, resource.to_storage(obj), None if old is None else resource.to_storage(old), subresource
        )
    return validation.validate(resource.kind, obj, old, subresource)


def warnings(resource: Resource, obj: Object, old: Object | None, subresource: str = "") -> list[str]:
    """Sentences for the client about a valid object."""
    if resource.definition is not None:
        return []
    if old is None:
        return strategy.create_warnings(resource.kind, obj)
    return strategy.update_warnings(resource.kind, obj, old, subresource)


def _new_uid() -> str:
    """A random UUID; the kernel is asked for many at once, since asking costs more than all else of it."""
    if not _entropy:
        _entropy.extend(os.urandom(_UID_BYTES * _UIDS_AT_ONCE))
    taken = bytes(_entropy[-_UID_BYTES:])
    del _entropy[-_UID_BYTES:]
    return str(uuid.UUID(bytes=taken, version=4))


def drop_double_owners(obj: Object, warn: Callable[[str], None], *, admitted: bool) -> None:
    """Keep one of equal owner references, and say so; `admitted` tells that mutating admission is over.

    Source: Kubernetes 1.36 `apiserver/pkg/endpoints/handlers/rest.go`.
    """
    metadata = metadata_of(obj)
    given = metadata.get("ownerReferences")
    if not isinstance(given, list) or len(given) < 2:
        return
    kept: list[Any] = []
    double: list[str] = []
    seen: set[bytes] = set()  # not the list: a body has room for fifty thousand owners
    for owner in given:
        identity = orjson.dumps(owner, option=orjson.OPT_SORT_KEYS)
        if identity in seen:
            double.append(str(owner.get("uid", "")))
        else:
            seen.add(identity)
            kept.append(owner)
    if double:
        when = " after mutating admission happens" if admitted else ""
        warn(
            f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+,"
            " and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed:"
            f" {', '.join(double)}"
        )
        metadata["ownerReferences"] = kept


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
    metadata["uid"] = _new_uid()
    metadata["creationTimestamp"] = now


def record_managers(
    resource: Resource, obj: Object, old: Object | None, *, manager: str, subresource: str, clock: Clock
) -> None:
    """Set managedFields for a write that is no apply.

    An object whose lists lack their keys has no owners to record; validation, which comes later, refuses it.
    """
    try:
        entries = managed.record_update(
            old,
            obj,
            manager=manager,
            schema=resource.schema,
            api_version=resource.kind.api_version,
            now=clock.now(),
            subresource=subresource,
        )
    except ElementError:
        return
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def keep_manager_times(obj: Object, old: Object) -> None:
    """Undo a change of nothing but the times in managedFields, so that it takes no revision."""
    try:
        obj["metadata"] = managed.keep_timestamps(old, obj)["metadata"]
    except ElementError:
        return
