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


_Marks = tuple[fieldset.Node | None, fieldset.Node | None, fieldset.Node | None]
"""What is removed, modified and added at and below one place; None for nothing, an empty node for the place itself."""

_NOTHING: _Marks = (None, None, None)
_REMOVED: _Marks = ({}, None, None)
_MODIFIED: _Marks = (None, {}, None)
_ADDED: _Marks = (None, None, {})
_UNDECLARED = Schema(ANY)


def compare(old: dict[str, Any], new: dict[str, Any], schema: Schema) -> Comparison:
    """Compare two objects of one type."""
    removed, modified, added = _compare(old, new, schema)
    return Comparison(removed or {}, modified or {}, added or {})


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


def _compare(left: Any, right: Any, schema: Schema) -> _Marks:
    if _unchanged(left, right, schema):
        return _NOTHING
    value = left if right is ABSENT else right
    if not typed.is_container(value) and typed.is_container(left):
        value = left if right is None else value
    if typed.is_unit(schema, value) or (not left and not right and _no_scalar(left) and _no_scalar(right)):
        return _compare_leaf(left, right)
    out = Comparison()
    if isinstance(value, dict):
        _compare_maps(_as_map(left), _as_map(right), schema, out)
    else:
        _compare_lists(_as_list(left), _as_list(right), schema, out)
    if left is ABSENT:
        return None, None, _with_itself(out.added)
    if right is ABSENT:
        return _with_itself(out.removed), None, None
    return out.removed or None, out.modified or None, out.added or None


def _with_itself(children: fieldset.Node) -> fieldset.Node:
    """The node of a place that is in the set, as are some places below it."""
    return {fieldset.MEMBER: {}, **children} if children else children


def _no_scalar(value: Any) -> bool:
    return value is None or value is ABSENT or typed.is_container(value)


def _as_map(value: Any) -> Any:
    return value if isinstance(value, dict) else (ABSENT if value is ABSENT else {})


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _compare_leaf(left: Any, right: Any) -> _Marks:
    if left is ABSENT:
        return _ADDED
    if right is ABSENT:
        return _REMOVED
    return _NOTHING if same(left, right) else _MODIFIED


def _compare_maps(left: Any, right: Any, schema: Schema, out: Comparison) -> None:
    mine = left if left is not ABSENT else {}
    theirs = right if right is not ABSENT else {}
    is_struct = left is not ABSENT and right is not ABSENT and schema.kind == OBJECT and schema.go_name
    for key in {**mine, **theirs} if mine else theirs:
        old, new = mine.get(key, ABSENT), theirs.get(key, ABSENT)
        if old is new or (type(old) is str and old == new):
            continue
        below = typed.child_schema(schema, key) or _UNDECLARED
        if is_struct:
            old, new = _always_there(old, schema, key), _always_there(new, schema, key)
        _note(_compare(old, new, below), f"f:{key}", out)


def _note(marks: _Marks, at: str, out: Comparison) -> None:
    """Put what was found below an element into the comparison of its parent."""
    removed, modified, added = marks
    if removed is not None:
        out.removed[at] = removed
    if modified is not None:
        out.modified[at] = modified
    if added is not None:
        out.added[at] = added


def _always_there(value: Any, parent: Schema, key: str) -> Any:
    """The value, or the zero value of what the struct's JSON cannot leave out: its coming into being is no change."""
    if value is not ABSENT:
        return value
    declared = goshape.struct_of(parent).fields.get(key)
    return ABSENT if declared is None or declared.zero is goshape.ABSENT else declared.zero


def _compare_lists(left: list[Any], right: list[Any], schema: Schema, out: Comparison) -> None:
    mine, theirs = _by_element(left, schema), _by_element(right, schema)
    item = schema.item or _UNDECLARED
    for at in {**mine, **theirs}:
        old, new = mine.get(at, []), theirs.get(at, [])
        if len(old) < 2 and len(new) < 2:
            _note(_compare(old[0] if old else ABSENT, new[0] if new else ABSENT, item), at, out)
        elif len(old) > 1 and len(new) > 1:
            if not same(old, new):
                out.modified[at] = {}
        elif len(old) > 1:
            if new:
                _note(_compare(ABSENT, new[0], item), at, out)
            out.removed[at] = {}
        else:
            if old:
                _note(_compare(old[0], ABSENT, item), at, out)
            out.added[at] = {}


def _by_element(items: list[Any], schema: Schema) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for item in items:
        out.setdefault(typed.element(schema, item), []).append(item)
    return out
