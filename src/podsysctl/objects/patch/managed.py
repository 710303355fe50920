"""Who owns which field: `metadata.managedFields` after a create, an update or a patch.

The server calls `record_update` for every write that is not an apply. Entries are keyed by manager,
operation, version and subresource; a write takes the fields it changed from all others.
Source: apimachinery `pkg/util/managedfields/internal`, structured-merge-diff v6 `merge/update.go`, 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from podsysctl.base import clock
from podsysctl.objects import keptjson
from podsysctl.objects.patch import comparison, fieldset, typed
from podsysctl.objects.quote import quote
from podsysctl.objects.schema import Schema

APPLY = "Apply"
UPDATE = "Update"

MAX_UPDATE_MANAGERS = 10
"""Update entries kept apart; the oldest beyond it are merged (DefaultMaxUpdateManagers)."""

MANAGER_LENGTH = 128
"""Longest manager name made from a User-Agent (apiserver handlers, FieldManagerMaxLength)."""

ANCIENT = "ancient-changes"

_KNOWN_SETS = 256
"""Sets of fields kept decoded, and as many reconciled: objects of one kind share a few, but for a running pod, whose
set names its address. One costs some KB to keep and 35 µs to make anew."""

STRIPPED = fieldset.of_paths(
    [
        ("apiVersion",),
        ("kind",),
        ("metadata",),
        *(
            ("metadata", name)
            for name in (
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            )
        ),
    ]
)
"""Fields that no manager owns (stripmeta.go)."""


class Identity(NamedTuple):
    """What makes entries the same entry; the version of an apply entry does not count."""

    manager: str
    operation: str
    api_version: str
    subresource: str


@dataclass(frozen=True, slots=True)
class Owned:
    """What one manager owns, as of which version and when.

    `text` is the stored JSON that `fields` were read from, and `stored` their stored form, while they are what they
    were: most writes leave most managers alone, and thousands of objects have the same ones.
    """

    fields: fieldset.Node
    api_version: str
    time: str = ""
    text: bytes = field(default=b"", compare=False, repr=False)
    stored: fieldset.Node | None = field(default=None, compare=False, repr=False)

    def with_fields(self, fields: fieldset.Node) -> Owned:
        """The same manager with other fields."""
        return self if fields is self.fields or fields == self.fields else Owned(fields, self.api_version, self.time)


Managers = dict[Identity, Owned]


def manager_name(field_manager: str, user_agent: str) -> str:
    """The manager of a write: the fieldManager parameter, else the User-Agent up to its first slash."""
    if field_manager:
        return field_manager
    printable = "".join(char for char in user_agent.partition("/")[0] if char.isprintable())
    return printable.encode()[:MANAGER_LENGTH].decode(errors="ignore")


def identity(manager: str, operation: str, api_version: str, subresource: str) -> Identity:
    """The identity of an entry; a nameless manager is `unknown`."""
    version = "" if operation == APPLY else api_version
    return Identity(manager or "unknown", operation, version, subresource)


def decode(entries: Any) -> Managers:
    """Stored entries. Raises ValueError with upstream's text when one cannot be understood."""
    out: Managers = {}
    for index, entry in enumerate(entries or ()):
        operation = entry.get("operation", "")
        if operation not in (APPLY, UPDATE):
            raise ValueError("operation must be `Apply` or `Update`")
        version = entry.get("apiVersion", "")
        if not version:
            raise ValueError("apiVersion must not be empty")
        kind = entry.get("fieldsType", "")
        if not kind:
            raise ValueError(f"missing fieldsType in managed fields entry {index}")
        if kind != "FieldsV1":
            raise ValueError(f"invalid fieldsType {quote(kind)} in managed fields entry {index}")
        key = identity(entry.get("manager", ""), operation, version, entry.get("subresource", ""))
        key = key._replace(manager=entry.get("manager", ""))
        text = keptjson.dumps(entry.get("fieldsV1"))
        out[key] = Owned(_decoded(text), version, entry.get("time") or "", text)
    return out


@lru_cache(maxsize=_KNOWN_SETS)
def _decoded(text: bytes) -> fieldset.Node:
    return fieldset.decode(orjson.loads(text))


@dataclass(frozen=True, slots=True, eq=False)
class _Reconciled:
    """A stored set after types became atomic, its stored form, and the schema that says so."""

    schema: Schema
    fields: fieldset.Node
    stored: fieldset.Node


_reconciled: dict[tuple[bytes, int], _Reconciled] = {}


def _reconcile(owned: Owned, schema: Schema) -> Owned:
    if not owned.text:
        return replace(owned, fields=fieldset.collapse_atomic(owned.fields, schema))
    key = (owned.text, id(schema))
    known = _reconciled.get(key)
    if known is None or known.schema is not schema:
        if len(_reconciled) >= _KNOWN_SETS:
            _reconciled.clear()
        fields = fieldset.collapse_atomic(owned.fields, schema)
        known = _reconciled[key] = _Reconciled(schema, fields, fieldset.encode(fields))
    return Owned(known.fields, owned.api_version, owned.time, owned.text, known.stored)


def encode(managers: Managers) -> list[dict[str, Any]]:
    """Entries as stored: applies first, then updates by time, manager, version and subresource."""
    ordered = sorted(
        managers.items(),
        key=lambda item: (
            item[0].operation,
            item[1].time,
            item[0].manager,
            item[1].api_version,
            item[0].subresource,
        ),
    )
    return [_encode_entry(key, owned) for key, owned in ordered]


def _encode_entry(key: Identity, owned: Owned) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if key.manager:
        entry["manager"] = key.manager
    entry["operation"] = key.operation
    entry["apiVersion"] = owned.api_version
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = fieldset.encode(owned.fields) if owned.stored is None else owned.stored
    if key.subresource:
        entry["subresource"] = key.subresource
    return entry


def default_reset(schema: Schema, subresource: str) -> tuple[str, ...]:
    """Dotted paths a write through this endpoint cannot change, so that nobody owns them by it.

    Source: GetResetFields of the strategies under pkg/registry, 1.36.
    """
    if not subresource:
        return ("status",) if "status" in schema.fields and "spec" in schema.fields else ()
    if schema.type_name == "core/v1.Pod" and subresource == "status":
        return ("spec", "metadata.deletionTimestamp", "metadata.ownerReferences")
    if subresource == "status":
        return ("spec",) if schema.type_name else ("metadata", "spec")
    return ()


@lru_cache(maxsize=64)
def reset_set(reset: tuple[str, ...]) -> fieldset.Node:
    """Dotted paths as a set."""
    return fieldset.of_paths(path.split(".") for path in reset)


def without_managed_fields(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object without managedFields, which are not part of what is compared."""
    out = dict(obj)
    metadata = out.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        out["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    return out


def _of_request(old: Mapping[str, Any], new: Mapping[str, Any], subresource: str) -> Managers:
    """The entries to start from: the request's own, unless it has none that can be read."""
    stored = (old.get("metadata") or {}).get("managedFields")
    if subresource:
        return _decode_or_none(stored)
    requested = (new.get("metadata") or {}).get("managedFields")
    if requested == [] or (requested is not None and len(requested) == 1 and not requested[0]):
        return {}
    return _decode_or_none(requested) or _decode_or_none(stored)


def _decode_or_none(entries: Any) -> Managers:
    try:
        return decode(entries)
    except (ValueError, AttributeError, TypeError):
        return {}


def record_update(
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any],
    *,
    manager: str,
    schema: Schema,
    api_version: str,
    now: datetime,
    subresource: str = "",
    reset: tuple[str, ...] | None = None,
) -> list[dict[str, Any]]:
    """The managedFields of `new`, given the stored object (None on create).

    `now` is the time of the write; `reset` overrides `default_reset`. An object whose entries were emptied
    is not tracked again until it is applied: the result is then empty.
    """
    before = old or {}
    managers = _of_request(before, new, subresource)
    if not managers and (before.get("metadata") or {}).get("uid"):
        return []
    updated = update(
        without_managed_fields(before),
        without_managed_fields(new),
        managers,
        identity(manager, UPDATE, api_version, subresource),
        schema=schema,
        api_version=api_version,
        reset=reset_set(default_reset(schema, subresource) if reset is None else reset),
        time=clock.format_time(now),
    )
    return encode(_cap(updated))


def update(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    managers: Managers,
    writer: Identity,
    *,
    schema: Schema,
    api_version: str,
    reset: fieldset.Node,
    time: str,
) -> Managers:
    """The managers after a write that is no apply: the writer takes what it changed from everyone."""
    managers = reconcile(managers, schema)
    changes = comparison.compare(dict(old), dict(new), schema).without(reset)
    out = take(managers, changes)
    taken = fieldset.difference(fieldset.recursive_difference(changes.changed, reset), STRIPPED)
    if taken:
        previous = out.get(writer)
        if previous is None:
            out[writer] = Owned(taken, api_version, time)
        elif fieldset.difference(taken, previous.fields):
            out[writer] = Owned(fieldset.union(taken, previous.fields), api_version, time)
        else:
            out[writer] = Owned(previous.fields, api_version, time, previous.text, previous.stored)
    return out


def reconcile(managers: Managers, schema: Schema) -> Managers:
    """The managers after types became atomic since they were recorded."""
    return {key: _reconcile(owned, schema) for key, owned in managers.items()}


def take(managers: Managers, changes: comparison.Comparison, writer: Identity | None = None) -> Managers:
    """The managers other than the writer without what was changed or removed; empty ones vanish."""
    lost = changes.changed
    out: Managers = {}
    for key, owned in managers.items():
        fields = owned.fields
        if key != writer:
            fields = fieldset.difference(fieldset.difference(fields, lost), changes.removed)
        if fields:
            out[key] = owned.with_fields(fields)
    return out


def _cap(managers: Managers) -> Managers:
    """At most MAX_UPDATE_MANAGERS update entries: the oldest of a version become one."""
    if len(managers) <= MAX_UPDATE_MANAGERS:
        return managers
    updaters = sorted((key for key in managers if key.operation == UPDATE), key=lambda key: (managers[key].time, key))
    count = len(updaters)
    if count <= MAX_UPDATE_MANAGERS:
        return managers
    out = dict(managers)
    first: dict[str, Identity] = {}
    for key in updaters:
        if count <= MAX_UPDATE_MANAGERS:
            break
        owned = managers[key]
        bucket = Identity(ANCIENT, UPDATE, owned.api_version, "")
        if owned.api_version not in first:
            first[owned.api_version] = key
            continue
        if bucket not in out:
            out[bucket] = out.pop(first[owned.api_version])
        if key != bucket:
            del out[key]
        fields = fieldset.union(owned.fields, out[bucket].fields)
        out[bucket] = Owned(fields, out[bucket].api_version, owned.time)
        count -= 1
    return out


def keep_timestamps(old: Mapping[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`new`, or `old` when they differ in nothing but the times of managedFields entries.

    What makes a write that changes nothing keep its resourceVersion. Source: apiserver
    `fieldmanager/equality.go`.
    """
    mine = (new.get("metadata") or {}).get("managedFields")
    theirs = (old.get("metadata") or {}).get("managedFields")
    if not mine or not theirs or len(mine) != len(theirs):
        return new
    if [_timeless(entry) for entry in mine] != [_timeless(entry) for entry in theirs]:
        return new
    if not typed.is_container(old) or not comparison.same(
        _comparable(without_managed_fields(old)), _comparable(without_managed_fields(new))
    ):
        return new
    return {**new, "metadata": {**new["metadata"], "managedFields": theirs}}


def _timeless(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "time"}


def _comparable(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = dict(obj.get("metadata") or {})
    metadata.pop("resourceVersion", None)
    metadata.pop("generation", None)
    return {**obj, "metadata": metadata}
