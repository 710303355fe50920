"""Rules of Events of both API groups (Kubernetes 1.36 pkg/apis/core/validation/events.go).

`strict` says that the request came through events.k8s.io; such events may be in the shape of either group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import eventshape, names
from podsysctl.objects.validation.fields import Errors, Named, each, invalid, required
from podsysctl.objects.validation.meta import IMMUTABLE, validate_metadata, validate_update_metadata

Object = Mapping[str, Any]

_SHORT_BYTES = 128
_NOTE_BYTES = 1024
_NO_MATCH = "does not match event.namespace"
_UNSET = "needs to be unset"
_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_GO_NAMES = ("Kind", "Namespace", "Name", "UID", "APIVersion", "ResourceVersion", "FieldPath")


def validate_event(obj: Object, errors: Errors, *, strict: bool = False) -> None:
    """A new Event."""
    obj = eventshape.to_core(obj)
    _validate_legacy(obj, errors, "reportingController" if strict else "reportingComponent")
    if not strict:
        return
    validate_metadata(obj.get("metadata") or {}, True, names.name_subdomain, errors)
    _validate_series(obj, errors)
    if not obj.get("eventTime"):
        errors.append(required("eventTime"))
    kind = obj.get("type") or ""
    if kind not in ("Normal", "Warning"):
        errors.append(invalid("type", "", f"has invalid value: {kind}"))
    source = obj.get("source") or {}
    unset = {key: bool(obj.get(key)) for key in ("firstTimestamp", "lastTimestamp", "count")}
    unset["source"] = bool(source.get("component") or source.get("host"))
    errors += [invalid(key, "", _UNSET) for key, is_set in unset.items() if is_set]


def _validate_legacy(obj: Object, errors: Errors, controller_name: str) -> None:
    namespace = (obj.get("metadata") or {}).get("namespace") or ""
    involved = (obj.get("involvedObject") or {}).get("namespace") or ""
    if not obj.get("eventTime"):
        if (not involved and namespace not in ("", "default")) or (involved and namespace != involved):
            errors.append(invalid("involvedObject.namespace", involved, _NO_MATCH))
    else:
        if not involved and namespace not in ("default", "kube-system"):
            errors.append(invalid("involvedObject.namespace", involved, _NO_MATCH))
        _validate_texts(obj, errors, controller_name)
    each(errors, "namespace", namespace, names.dns_subdomain(namespace))


def _validate_texts(obj: Object, errors: Errors, controller_name: str) -> None:
    controller = obj.get("reportingComponent") or ""
    if not controller:
        errors.append(required(controller_name))
    each(errors, controller_name, controller, names.qualified_name(controller))
    for key in ("reportingInstance", "action", "reason"):
        value = obj.get(key) or ""
        if not value:
            errors.append(required(key))
        if len(value.encode()) > _SHORT_BYTES:
            errors.append(invalid(key, "", f"can have at most {_SHORT_BYTES} characters"))
    if len((obj.get("message") or "").encode()) > _NOTE_BYTES:
        errors.append(invalid("message", "", f"can have at most {_NOTE_BYTES} characters"))


def _validate_series(obj: Object, errors: Errors) -> None:
    series = obj.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        errors.append(invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        errors.append(required("series.lastObservedTime"))


def validate_event_update(new: Object, old: Object, errors: Errors, *, strict: bool = False) -> None:
    """A changed Event: through events.k8s.io only its series may change."""
    new, old = eventshape.to_core(new), eventshape.to_core(old)
    _validate_legacy(new, errors, "reportingController" if strict else "reportingComponent")
    if not strict:
        return
    validate_update_metadata(new, old, errors)
    if new.get("series") != old.get("series"):
        _validate_series(new, errors)
    _keep_reference(new, old, "involvedObject", errors)
    for key in ("reason", "message"):
        _keep(new, old, key, "", errors)
    if (new.get("source") or {}) != (old.get("source") or {}):
        source = new.get("source") or {}
        shown = {"Component": source.get("component") or "", "Host": source.get("host") or ""}
        errors.append(invalid("source", shown, IMMUTABLE))
    for key, zero in (("firstTimestamp", None), ("lastTimestamp", None), ("count", 0), ("reason", ""), ("type", "")):
        _keep(new, old, key, zero, errors)
    _keep(new, old, "eventTime", None, errors)
    _keep(new, old, "action", "", errors)
    _keep_reference(new, old, "related", errors)
    _keep(new, old, "reportingComponent", "", errors, "reportingController")
    _keep(new, old, "reportingInstance", "", errors)


def _keep(new: Object, old: Object, key: str, zero: Any, errors: Errors, path: str = "") -> None:
    value, before = new.get(key) or zero, old.get(key) or zero
    if value != before:
        shown = Named(value) if zero is None and value is not None else value
        errors.append(invalid(path or key, shown, IMMUTABLE))


def _keep_reference(new: Object, old: Object, key: str, errors: Errors) -> None:
    value, before = new.get(key), old.get(key)
    if (value or {}) != (before or {}):
        shown = {go: (value or {}).get(name) or "" for go, name in zip(_GO_NAMES, _REFERENCE, strict=True)}
        errors.append(invalid(key, None if value is None else shown, IMMUTABLE))
