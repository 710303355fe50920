"""The patch that client-side apply sends: what the file now says, less what it no longer says.

Three objects come in: the configuration applied last, the one to apply, and the live one. Fields that only
the live object has are not touched. Built-in types get a strategic merge patch, others a merge patch.
Behaviour: apimachinery pkg/util/strategicpatch/patch.go (CreateThreeWayMergePatch) and
pkg/util/jsonmergepatch, v1.36.
"""

from __future__ import annotations

from typing import Any

from podsysctl.objects.schema import LIST, MAP, Field, Schema

Object = dict[str, Any]


def merge_patch(original: Object, modified: Object, current: Object) -> Object:
    """A JSON merge patch; lists are replaced as a whole."""
    return _diff(original, modified, current, None)


def strategic_patch(original: Object, modified: Object, current: Object, schema: Schema) -> Object:
    """A strategic merge patch for the built-in type `schema`."""
    return _diff(original, modified, current, schema)


def _field(schema: Schema | None, key: str) -> Field | None:
    if schema is None:
        return None
    if schema.kind == MAP and schema.item is not None:
        return Field(key, 0, schema.item)
    return schema.fields.get(key)


def _diff(original: Object, modified: Object, current: Object, schema: Schema | None) -> Object:
    patch: Object = {}
    for key, wanted in modified.items():
        live = current.get(key)
        if wanted is None:
            if live is not None:
                patch[key] = None
        elif live is None:
            patch[key] = wanted
        elif isinstance(wanted, dict) and isinstance(live, dict):
            _diff_map(patch, key, _as_map(original.get(key)), wanted, live, _field(schema, key))
        elif isinstance(wanted, list) and isinstance(live, list):
            _diff_list(patch, key, _as_list(original.get(key)), wanted, live, _field(schema, key))
        elif not _equal(wanted, live):
            patch[key] = wanted
    for key in original:
        if key not in modified and current.get(key) is not None:
            patch[key] = None
    return patch


def _as_map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _equal(a: Any, b: Any) -> bool:
    """JSON equality: true is not 1."""
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)


def _diff_map(patch: Object, key: str, old: Object, wanted: Object, live: Object, field: Field | None) -> None:
    if field is not None and field.schema.map_atomic and not field.merge and not _equal(wanted, live):
        patch[key] = {**wanted, **{name: None for name in live if name not in wanted and name in old}}
        return
    below = _diff(old, wanted, live, field.schema if field else None)
    _retain(below, wanted, live, field)
    if below:
        patch[key] = below


def _retain(below: Object, wanted: Object, live: Object, field: Field | None) -> None:
    """A union keeps only the keys of the file: `$retainKeys`."""
    if field is None or not field.retain_keys:
        return
    if below or any(name not in wanted and value is not None for name, value in live.items()):
        below["$retainKeys"] = sorted(wanted)


def _diff_list(
    patch: Object, key: str, old: list[Any], wanted: list[Any], live: list[Any], field: Field | None
) -> None:
    mergeable = field is not None and field.schema.kind == LIST and field.merge_key is not None
    if field is None or not mergeable:
        if not _equal(wanted, live):
            patch[key] = wanted
    elif field.merge_key:
        _diff_keyed(patch, key, old, wanted, live, field, field.merge_key)
    else:
        _diff_scalars(patch, key, old, wanted, live)


def _diff_scalars(patch: Object, key: str, old: list[Any], wanted: list[Any], live: list[Any]) -> None:
    added = [value for value in wanted if value not in live]
    removed = [value for value in old if value not in wanted and value in live]
    if removed:
        patch[f"$deleteFromPrimitiveList/{key}"] = removed
    if added:
        patch[key] = added
    if added or removed or not _in_order(wanted, live):
        patch[f"$setElementOrder/{key}"] = wanted


def _diff_keyed(
    patch: Object, key: str, old: list[Any], wanted: list[Any], live: list[Any], field: Field, merge_key: str
) -> None:
    olds, lives = _by_key(old, merge_key), _by_key(live, merge_key)
    wanted_keys = [element.get(merge_key) for element in wanted]
    item = field.schema.item
    changed: list[Any] = []
    for element in wanted:
        identity = element.get(merge_key)
        there = lives.get(identity)
        if there is None:
            changed.append(element)
            continue
        below = _diff(olds.get(identity, {}), element, there, item)
        _retain(below, element, there, field)
        if below:
            changed.append({**below, merge_key: identity})
    removed = [{"$patch": "delete", merge_key: i} for i in olds if i not in wanted_keys and i in lives]
    if changed or removed:
        patch[key] = changed + removed
    if changed or removed or not _in_order(wanted_keys, list(lives)):
        patch[f"$setElementOrder/{key}"] = [{merge_key: identity} for identity in wanted_keys]


def _by_key(elements: list[Any], merge_key: str) -> dict[Any, Object]:
    out: dict[Any, Object] = {}
    for element in elements:
        if isinstance(element, dict):
            out.setdefault(element.get(merge_key), element)
    return out


def _in_order(wanted: list[Any], live: list[Any]) -> bool:
    """Whether what both lists have stands in the same order in both."""
    common = [value for value in wanted if value in live]
    return common == [value for value in live if value in wanted]
