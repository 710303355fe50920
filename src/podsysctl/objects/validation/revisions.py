"""Rules of ControllerRevisions (Kubernetes 1.36 pkg/apis/apps/validation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, invalid, required
from podsysctl.objects.validation.meta import IMMUTABLE, validate_metadata, validate_update_metadata

Object = Mapping[str, Any]


def _validate(obj: Object, errors: Errors) -> None:
    validate_metadata(obj.get("metadata") or {}, True, names.name_subdomain, errors)
    if (obj.get("revision") or 0) < 0:
        errors.append(invalid("revision", obj["revision"], "must be greater than or equal to 0"))


def validate_revision(obj: Object, errors: Errors) -> None:
    """A new ControllerRevision."""
    _validate(obj, errors)
    if obj.get("data") is None:
        errors.append(required("data", "data is mandatory"))
    elif not isinstance(obj["data"], dict):
        errors.append(required("data", "data must be a valid JSON object"))


def validate_revision_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed ControllerRevision: its data stays."""
    validate_update_metadata(new, old, errors)
    _validate(new, errors)
    if new.get("data") != old.get("data"):
        errors.append(invalid("data", {"Raw": None, "Object": None}, IMMUTABLE))
