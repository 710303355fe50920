"""What happens to an object between admission and the store, kind by kind: prepare, validate, warn.

`before_create` and `before_update` are the two doors; they change the object in place and raise StatusError 422
with every error in upstream's order. Source: apiserver registry/rest create.go and update.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podsysctl.objects import names, status
from podsysctl.objects.kinds import Kind
from podsysctl.objects.strategy import pods
from podsysctl.objects.validation import validate
from podsysctl.objects.validation.fields import Errors
from podsysctl.objects.validation.meta import validate_metadata, validate_metadata_update
from podsysctl.objects.warnings import pod_warnings

Object = dict[str, Any]
Warn = Callable[[str], None]

_PREPARE_CREATE: dict[str, Callable[[Object, Warn], None]] = {"core/v1.Pod": pods.prepare_create}
_PREPARE_UPDATE: dict[tuple[str, str], Callable[[Object, Object], None]] = {
    ("core/v1.Pod", ""): pods.prepare_update,
    ("core/v1.Pod", "status"): pods.prepare_status_update,
    ("core/v1.Pod", "ephemeralcontainers"): pods.prepare_ephemeral_update,
}
_WARN_CREATE: dict[str, Callable[[Object], list[str]]] = {"core/v1.Pod": pod_warnings}


def before_create(kind: Kind, obj: Object, warn: Warn) -> None:
    """Make a new object ready for the store. Raises StatusError 422.

    Name, namespace, uid and creation time must be set; `warn` takes sentences for the client.
    """
    prepare = _PREPARE_CREATE.get(kind.type_name)
    if prepare is not None:
        prepare(obj, warn)
    meta = obj["metadata"]
    errors = validate(kind, obj)
    if not errors:
        validate_metadata(meta, kind.namespaced, names.name_path_segment, errors, is_core=False)
    if errors:
        raise status.invalid(kind, meta.get("name") or "", errors)
    for text in _WARN_CREATE.get(kind.type_name, _no_warnings)(obj):
        warn(text)


def before_update(kind: Kind, obj: Object, old: Object, subresource: str, warn: Warn) -> None:
    """Make a changed object ready for the store. Raises StatusError 422."""
    meta, old_meta = obj["metadata"], old["metadata"]
    meta.pop("generation", None)
    if old_meta.get("generation"):
        meta["generation"] = old_meta["generation"]
    prepare = _PREPARE_UPDATE.get((kind.type_name, subresource))
    if prepare is not None:
        prepare(obj, old)
    if not meta.get("uid") and old_meta.get("uid"):
        meta["uid"] = old_meta["uid"]
    for key in ("creationTimestamp", "deletionTimestamp"):
        if old_meta.get(key):
            meta[key] = old_meta[key]
    if old_meta.get("deletionGracePeriodSeconds") is not None:
        meta.setdefault("deletionGracePeriodSeconds", old_meta["deletionGracePeriodSeconds"])
    errors: Errors = []
    validate_metadata(meta, kind.namespaced, names.name_path_segment, errors, is_core=False)
    validate_metadata_update(meta, old_meta, errors)
    errors += validate(kind, obj, old, subresource)
    if errors:
        raise status.invalid(kind, meta.get("name") or "", errors)


def _no_warnings(obj: Object) -> list[str]:
    return []
