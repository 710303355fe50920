"""The general rules of create and update, which kinds refine in their own modules.

A strategy runs after defaulting and mutating admission and before validation, as upstream's rest strategies do
(`pkg/registry/<group>/<kind>/strategy.go`, 1.36). Everything here changes the object in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


Warn = Callable[[str], None]
"""Takes one sentence for the client."""


def _nothing(obj: Object, warn: Warn) -> None:
    return None


def _no_change(obj: Object, old: Object) -> None:
    return None


def _no_warnings(obj: Object, old: Object | None) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Strategy:
    """How one kind is created and updated.

    `has_status` kinds lose `status` on create and keep the stored one on update; only the status subresource
    changes it. `has_generation` kinds count changes of everything but metadata and status. `graceful` kinds may
    live on for a while after DELETE. `grace_period_s(obj, requested)` is asked for those.
    """

    has_status: bool = False
    has_generation: bool = False
    allow_create_on_update: bool = False
    allow_unconditional_update: bool = True
    prepare_create: Callable[[Object, Warn], None] = _nothing
    prepare_update: Callable[[Object, Object], None] = _no_change
    prepare_status: Callable[[Object, Object], None] = _no_change
    warnings: Callable[[Object, Object | None], list[str]] = _no_warnings
    grace_period_s: Callable[[Mapping[str, Any], int | None], int | None] | None = None


def set_or_drop(obj: Object, key: str, value: Any) -> None:
    """Give `obj[key]` the value, or no such key when the value is None."""
    if value is None:
        obj.pop(key, None)
    else:
        obj[key] = value


def keep_all_but_status(obj: Object, old: Object) -> None:
    """For the status subresource: everything outside metadata and status stays as stored."""
    new_status, metadata = obj.get("status"), obj["metadata"]
    order = list(old)
    obj.clear()
    for key in order:
        obj[key] = old[key]
    obj["metadata"] = metadata
    set_or_drop(obj, "status", new_status)


def keep_metadata(obj: Object, old: Object) -> None:
    """Keep the stored metadata but for managedFields and resourceVersion."""
    new = obj["metadata"]
    kept = dict(old["metadata"])
    set_or_drop(kept, "managedFields", new.get("managedFields"))
    set_or_drop(kept, "resourceVersion", new.get("resourceVersion"))
    obj["metadata"] = kept


def bump_generation(obj: Object, old: Object) -> None:
    """Count a change of anything outside metadata and status."""
    ignored = ("metadata", "status", "kind", "apiVersion")
    if any(obj.get(key) != old.get(key) for key in {*obj, *old} if key not in ignored):
        obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1
