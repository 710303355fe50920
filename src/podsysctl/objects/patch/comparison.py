"""What a write changed: the paths that were added, modified and removed, told by the type.

Source: structured-merge-diff v6 `typed/compare.go`. Objects of built-in types are compared as Go would hold
them: structs and required lists always exist, so that only what is inside them counts as added.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from podsysctl.objects import goshape
from podsysctl.objects.patch import fieldset, typed
from podsysctl.objects.patch.typed import ABSENT
from podsysctl.objects.schema import ANY, OBJECT, Schema


@dataclass(slots=True)
class Comparison:
    """Three sets of paths; no path is in two of them."""

    removed: fieldset.Node = field(default_factory=dict)
    modified: fieldset.Node = field(default_factory=dict)
    added: fieldset.Node = field(default_factory=dict)

    @property
    def changed(self) -> fieldset.Node:
        """What the new object has and the old one had not, or not so."""
        return fieldset.union(self.modified, self.added)

    def without(self, reset: fieldset.Node) -> Comparison:
        """The comparison without some paths and all that is below them."""
        if not reset:
            return self
        return Comparison(
            fieldset.recursive_difference(self.removed, reset),
            fieldset.recursive_difference(self.modified, reset),
            fieldset.recursive_difference(self.added, reset),
        )


def compare(old: Any, new: Any, schema: Schema) -> Comparison:
    """Compare two objects of one type."""
    out = Comparison()
    _compare(old, new, schema, (), out)
    return out


def same(left: Any, right: Any) -> bool:
    """Equality of values: numbers by size whatever their type, true is not 1."""
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if type(left) is dict and type(right) is dict:
        return left.keys() == right.keys() and all(same(item, right[key]) for key, item in left.items())
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _unchanged(left: Any, right: Any, schema: Schema) -> bool:
    """A quick look before a descent: Python's equality is exact where the type fixes the scalars."""
    return left is right or (schema.kind != ANY and bool(schema.type_name) and left == right)


def _compare(left: Any, right: Any, schema: Schema, path: fieldset.Path, out: Comparison) -> None:
    if _unchanged(left, right, schema):
        return
    value = left if right is ABSENT else right
    if not typed.is_container(value) and typed.is_container(left):
        value = left if right is None else value
    if typed.is_unit(schema, value) or (not left and not right and _no_scalar(left) and _no_scalar(right)):
        _compare_leaf(left, right, path, out)
        return
    if isinstance(value, dict):
        _compare_maps(_as_map(left), _as_map(right), schema, path, out)
    else:
        _compare_lists(_as_list(left), _as_list(right), schema, path, out)
    if left is ABSENT:
        fieldset.insert(out.added, path)
    elif right is ABSENT:
        fieldset.insert(out.removed, path)


def _no_scalar(value: Any) -> bool:
    return value is None or value is ABSENT or typed.is_container(value)


def _as_map(value: Any) -> Any:
    return value if isinstance(value, dict) else (ABSENT if value is ABSENT else {})


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _compare_leaf(left: Any, right: Any, path: fieldset.Path, out: Comparison) -> None:
    if left is ABSENT:
        fieldset.insert(out.added, path)
    elif right is ABSENT:
        fieldset.insert(out.removed, path)
    elif not same(left, right):
        fieldset.insert(out.modified, path)


def _compare_maps(left: Any, right: Any, schema: Schema, path: fieldset.Path, out: Comparison) -> None:
    mine = left if left is not ABSENT else {}
    theirs = right if right is not ABSENT else {}
    both = left is not ABSENT and right is not ABSENT
    for key in {**mine, **theirs}:
        old, new = mine.get(key, ABSENT), theirs.get(key, ABSENT)
        if old is new or (type(old) is str and old == new):
            continue
        below = typed.child_schema(schema, key) or Schema(ANY)
        if both and schema.kind == OBJECT and schema.go_name:
            old, new = _always_there(old, schema, key), _always_there(new, schema, key)
        _compare(old, new, below, (*path, f"f:{key}"), out)


def _always_there(value: Any, parent: Schema, key: str) -> Any:
    """The value, or the zero value of what the struct's JSON cannot leave out: its coming into being is no change."""
    if value is not ABSENT:
        return value
    declared = goshape.struct_of(parent).fields.get(key)
    return ABSENT if declared is None or declared.zero is goshape.ABSENT else declared.zero


def _compare_lists(left: list[Any], right: list[Any], schema: Schema, path: fieldset.Path, out: Comparison) -> None:
    mine, theirs = _by_element(left, schema), _by_element(right, schema)
    item = schema.item or Schema(ANY)
    for at in {**mine, **theirs}:
        old, new = mine.get(at, []), theirs.get(at, [])
        below = (*path, at)
        if len(old) < 2 and len(new) < 2:
            _compare(old[0] if old else ABSENT, new[0] if new else ABSENT, item, below, out)
        elif len(old) > 1 and len(new) > 1:
            if not same(old, new):
                fieldset.insert(out.modified, below)
        elif len(old) > 1:
            if new:
                _compare(ABSENT, new[0], item, below, out)
            fieldset.insert(out.removed, below)
        else:
            if old:
                _compare(old[0], ABSENT, item, below, out)
            fieldset.insert(out.added, below)


def _by_element(items: list[Any], schema: Schema) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for item in items:
        out.setdefault(typed.element(schema, item), []).append(item)
    return out
