"""Server-side apply: merge a configuration into the live object and keep book of who owns what.

Source: apimachinery `pkg/util/managedfields/internal/{structuredmerge,conflict,lastappliedmanager}.go`,
structured-merge-diff v6 `merge/update.go`, 1.36.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from podsysctl.base import clock
from podsysctl.base.errors import Cause, StatusError
from podsysctl.objects import gotext, status
from podsysctl.objects.patch import comparison, fieldset, managed, merging, tree, typed
from podsysctl.objects.patch.managed import Identity, Managers, Owned
from podsysctl.objects.quote import quote
from podsysctl.objects.schema import Schema

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_BEFORE_FIRST_APPLY = "before-first-apply"
_ANNOTATIONS_BYTES = 256 * 1024
"""Largest sum of annotations; a last-applied annotation that would exceed it is dropped."""

_Object = dict[str, Any]
_Conflict = tuple[Identity, fieldset.Path]


class _ConflictsError(Exception):
    """Fields that others own and the configuration sets otherwise."""

    def __init__(self, conflicts: list[_Conflict]) -> None:
        super().__init__(f"{len(conflicts)} conflicts")
        self.conflicts = conflicts


def server_side_apply(
    live: Mapping[str, Any] | None,
    config: _Object,
    *,
    manager: str,
    force: bool,
    schema: Schema,
    api_version: str,
    now: datetime,
    subresource: str = "",
    kind: str = "",
    reset: tuple[str, ...] | None = None,
) -> _Object:
    """The object after the apply, managedFields included; defaults and validation are the caller's.

    `live` is the stored object in the same version, None when there is none. `kind` is checked against the
    configuration when given. `reset` overrides `managed.default_reset`.

    Raises StatusError: 400 for a configuration of another kind or with managedFields, 409 for conflicts
    (unless `force`), 500 with upstream's text when the configuration does not conform to the type.
    """
    _check_kind(config, api_version, kind)
    config = _without_null_creation(config)
    run = _Apply(schema, api_version, managed.reset_set(_reset(schema, subresource, reset)), now)
    before = managed.without_managed_fields(live or {})
    managers = managed.decode(((live or {}).get("metadata") or {}).get("managedFields"))
    if not managers:
        writer = managed.identity(_BEFORE_FIRST_APPLY, managed.UPDATE, api_version, subresource)
        managers = run.first_owners(before, writer)
    applier = managed.identity(manager, managed.APPLY, api_version, subresource)
    try:
        merged, owners = run.apply(before, config, managers, applier, force=force)
    except _ConflictsError as error:
        conflicts = error.conflicts
        if manager == "kubectl":
            conflicts = _not_last_applied(conflicts, before, schema, api_version)
        if conflicts:
            raise _conflict_error(conflicts) from error
        merged, owners = run.apply(before, config, managers, applier, force=True)
    if manager == "kubectl" and _annotations(merged).get(LAST_APPLIED):
        merged = _with_last_applied(merged, config)
    entries = managed.encode(owners)
    metadata = {key: value for key, value in (merged.get("metadata") or {}).items() if key != "managedFields"}
    if entries:
        metadata["managedFields"] = entries
    return {**merged, "metadata": metadata}


def _without_null_creation(config: _Object) -> _Object:
    """Manifests that programs print carry `creationTimestamp: null`, which asks for nothing."""
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and metadata.get("creationTimestamp", "") is None:
        rest = {key: value for key, value in metadata.items() if key != "creationTimestamp"}
        return {**config, "metadata": rest}
    return config


def _reset(schema: Schema, subresource: str, reset: tuple[str, ...] | None) -> tuple[str, ...]:
    return managed.default_reset(schema, subresource) if reset is None else reset


def _check_kind(config: _Object, api_version: str, kind: str) -> None:
    given_version, given_kind = config.get("apiVersion", ""), config.get("kind", "")
    if given_version != api_version or (kind and given_kind != kind):
        raise status.bad_request(f"invalid object type: {kind_text(given_version, given_kind)}")
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise status.bad_request("metadata.managedFields must be nil")


def kind_text(api_version: Any, kind: Any) -> str:
    """A group, version and kind as Go prints it: `/v1, Kind=Pod`."""
    group, _, version = str(api_version).rpartition("/")
    return f"{group}/{version}, Kind={kind}"


def subject_text(obj: Mapping[str, Any]) -> str:
    """An object as the texts of server-side apply name it: `NAMESPACE/NAME; /v1, Kind=Pod`."""
    metadata = obj.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    gvk = kind_text(obj.get("apiVersion", ""), obj.get("kind", ""))
    return f"{named.get('namespace') or ''}/{named.get('name') or ''}; {gvk}"


def _annotations(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return (obj.get("metadata") or {}).get("annotations") or {}


class _Apply:
    """What stays the same throughout one apply."""

    def __init__(self, schema: Schema, api_version: str, reset: fieldset.Node, now: datetime) -> None:
        self._schema = schema
        self._api_version = api_version
        self._reset = reset
        self._time = clock.format_time(now)

    def first_owners(self, live: _Object, writer: Identity) -> Managers:
        """Owners of an object that nobody tracked: all of it belongs to the time before."""
        if not live:
            return {}
        empty: _Object = {key: live[key] for key in ("apiVersion", "kind") if key in live}
        return managed.update(
            empty,
            live,
            {},
            writer,
            schema=self._schema,
            api_version=self._api_version,
            reset=self._reset,
            time=self._time,
        )

    def apply(
        self, live: _Object, config: _Object, managers: Managers, applier: Identity, *, force: bool
    ) -> tuple[_Object, Managers]:
        """The merged object and the managers after it. Raises _ConflictsError unless forced."""
        self._check_type(config)
        managers = managed.reconcile(managers, self._schema)
        merged = merging.merge(live, config, self._schema)
        last = managers.get(applier)
        fields = fieldset.recursive_difference(typed.field_set(config, self._schema), self._reset)
        managers = {
            **managers,
            applier: Owned(fields, self._api_version, last.time if last else ""),
        }
        if last is not None and fieldset.difference(last.fields, fields):
            merged = self._prune(merged, managers, last.fields)
        changes = comparison.compare(live, merged, self._schema).without(self._reset)
        if not force:
            _check_conflicts(managers, applier, changes)
        owners = managed.take(managers, changes, applier)
        self._strip(owners, applier)
        if comparison.same(live, merged):
            return dict(live), owners
        if applier in owners:
            mine = owners[applier]
            owners[applier] = Owned(mine.fields, mine.api_version, self._time)
        return self._without_nulls(merged), owners

    def _check_type(self, config: _Object) -> None:
        found = typed.problems(config, self._schema)
        if found:
            text = typed.problems_text(found)
            raise StatusError(500, "", f"failed to create typed patch object ({subject_text(config)}): {text}")

    def _prune(self, merged: _Object, managers: Managers, last: fieldset.Node) -> _Object:
        """Take away what the applier applied last time, not this time, and nobody else owns."""
        schema = self._schema

        def named(fields: fieldset.Node) -> fieldset.Node:
            return fieldset.named_members(fields, schema)

        pruned = merging.remove(merged, named(last), schema)
        owned: fieldset.Node = {}
        for other in managers.values():
            owned = fieldset.union(owned, other.fields)
        everything = named(typed.field_set(merged, schema))
        kept = fieldset.union(named(typed.field_set(pruned, schema)), named(owned))
        pruned = merging.remove(merged, fieldset.difference(everything, kept), schema)
        remaining = named(typed.field_set(pruned, schema))
        dangling = fieldset.intersection(fieldset.difference(everything, remaining), named(last))
        out: _Object = merging.remove(merged, dangling, schema)
        return out

    def _strip(self, owners: Managers, applier: Identity) -> None:
        mine = owners.get(applier)
        if mine is None:
            return
        fields = fieldset.difference(mine.fields, managed.STRIPPED)
        if fields:
            owners[applier] = Owned(fields, mine.api_version, mine.time)
        else:
            del owners[applier]

    def _without_nulls(self, merged: _Object) -> _Object:
        """Built-in types lose nulls when they pass through Go's structs."""
        if not self._schema.type_name:
            return merged
        out: _Object = _drop_nulls(merged)
        return out


def _drop_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _drop_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_drop_nulls(item) for item in value]
    return value


def _check_conflicts(managers: Managers, applier: Identity, changes: comparison.Comparison) -> None:
    conflicts: list[_Conflict] = []
    for key in sorted(managers):
        if key != applier:
            shared = fieldset.intersection(managers[key].fields, changes.changed)
            conflicts += [(key, path) for path in fieldset.paths(shared)]
    if conflicts:
        raise _ConflictsError(conflicts)


def _manager_text(key: Identity) -> str:
    text = quote(key.manager)
    if key.subresource:
        text = f"{text} with subresource {quote(key.subresource)}"
    return f"{text} using {key.api_version}" if key.operation == managed.UPDATE else text


def _conflict_error(conflicts: list[_Conflict]) -> StatusError:
    """409 with upstream's text; every path is a cause of reason FieldManagerConflict."""
    causes = [
        Cause("FieldManagerConflict", f"conflict with {_manager_text(key)}", fieldset.path_text(path))
        for key, path in conflicts
    ]
    if len(conflicts) == 1:
        only = causes[0]
        return status.apply_conflict(causes, f"Apply failed with 1 conflict: {only.message}: {only.field}")
    lines = []
    for manager in dict.fromkeys(key for key, _ in conflicts):
        lines.append(f"conflicts with {_manager_text(manager)}:")
        lines += [f"- {fieldset.path_text(path)}" for key, path in conflicts if key == manager]
    text = "\n".join(lines)
    return status.apply_conflict(causes, f"Apply failed with {len(conflicts)} conflicts: {text}")


def _not_last_applied(conflicts: list[_Conflict], live: _Object, schema: Schema, api_version: str) -> list[_Conflict]:
    """Conflicts with fields that client-side apply set and that still stand are none: kubectl upgrades."""
    try:
        last = json.loads(_annotations(live).get(LAST_APPLIED) or "null")
    except ValueError:
        return conflicts
    if not isinstance(last, dict) or last.get("apiVersion") != api_version or typed.problems(last, schema):
        return conflicts
    changes = comparison.compare(last, live, schema)
    allowed = typed.field_set(last, schema)
    for gone in (changes.modified, changes.added, changes.removed):
        allowed = fieldset.difference(allowed, gone)
    return [(key, path) for key, path in conflicts if not fieldset.has(allowed, path)]


def _with_last_applied(merged: _Object, config: _Object) -> _Object:
    """Keep client-side apply's annotation in step with what was applied."""
    metadata = dict(config.get("metadata") or {})
    annotations = {key: value for key, value in _annotations(config).items() if key != LAST_APPLIED}
    if annotations or "annotations" in metadata:
        metadata["annotations"] = annotations
    text = gotext.json_text({**config, "metadata": metadata}) + "\n"
    live = {**_annotations(merged), LAST_APPLIED: text}
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in live.items()) > _ANNOTATIONS_BYTES:
        del live[LAST_APPLIED]
    out: _Object = tree.clone(merged)
    out["metadata"]["annotations"] = live
    return out
