"""Putting an applied configuration into the live object, and taking fields out of an object.

Source: structured-merge-diff v6 `typed/merge.go` and `typed/remove.go`.
"""

from __future__ import annotations

from typing import Any

from podsysctl.objects.patch import fieldset, typed
from podsysctl.objects.patch.typed import ABSENT
from podsysctl.objects.schema import ANY, Schema


def merge(live: Any, config: Any, schema: Schema) -> Any:
    """The live value with the configuration's leaves; nothing is removed. Either side may be ABSENT.

    Raises typed.ElementError when an item of a keyed list has no key.
    """
    if config is ABSENT:
        return live
    if live is ABSENT and not typed.is_container(config):
        return config
    if isinstance(config, dict) and not typed.is_unit(schema, config):
        if not config and not (isinstance(live, dict) and live):
            return config
        return _merge_maps(live if isinstance(live, dict) else {}, config, schema)
    if isinstance(config, list) and not typed.is_unit(schema, config):
        current = live if isinstance(live, list) else []
        return _merge_lists(current, config, schema) if current or config else config
    if config is None and typed.is_container(live) and live and not typed.is_unit(schema, live):
        return live
    return config


def _merge_maps(live: dict[str, Any], config: dict[str, Any], schema: Schema) -> dict[str, Any]:
    out = dict(live)
    for key, item in config.items():
        below = typed.child_schema(schema, key) or Schema(ANY)
        out[key] = merge(live.get(key, ABSENT), item, below)
    return out


def _merge_lists(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    """Items of both, merged by element: in the configuration's order, live ones kept in their places."""
    mine = [typed.element(schema, item) for item in live]
    theirs = [typed.element(schema, item) for item in config]
    applied = dict(zip(theirs, config, strict=True))
    current: dict[str, Any] = {}
    for at, item in zip(mine, live, strict=True):
        current[at] = None if at in current else item  # a repeated item is replaced, not merged
    item_schema = schema.item or Schema(ANY)

    def merged(at: str) -> Any:
        return merge(current.get(at, ABSENT), applied[at], item_schema)

    shared = [at for at in theirs if at in current]
    done: set[str] = set()
    out: list[Any] = []
    left = right = following = 0
    while left < len(mine) or right < len(theirs):
        if left < len(mine) and right < len(theirs):
            if mine[left] == theirs[right]:
                out.append(merged(mine[left]))
                done.add(mine[left])
                left, right, following = left + 1, right + 1, following + 1
                continue
            if mine[left] in applied and following < len(shared) and shared[following] != mine[left]:
                left += 1
                continue
        if left < len(mine):
            if mine[left] not in applied:
                out.append(live[left])
                left += 1
                continue
            if mine[left] in done:
                left += 1
        if right < len(theirs):
            at = theirs[right]
            out.append(merged(at))
            done.add(at)
            if following < len(shared) and shared[following] == at:
                following += 1
            right += 1
    return out


def remove(value: Any, gone: fieldset.Node, schema: Schema) -> Any:
    """The value without the paths of a set; a container emptied from inside stays as an empty one."""
    if not gone or not value or typed.is_unit(schema, value):
        return value
    if isinstance(value, dict):
        return _remove_from_map(value, gone, schema)
    return _remove_from_list(value, gone, schema)


def _remove_from_map(value: dict[str, Any], gone: fieldset.Node, schema: Schema) -> dict[str, Any]:
    out = {}
    for key, item in value.items():
        node = gone.get(f"f:{key}")
        if node is None:
            out[key] = item
        elif not fieldset.is_member(node):
            out[key] = _remove_inside(item, node, typed.child_schema(schema, key) or Schema(ANY))
    return out


def _remove_from_list(value: list[Any], gone: fieldset.Node, schema: Schema) -> list[Any]:
    out = []
    for item in value:
        node = gone.get(typed.element(schema, item))
        if node is None:
            out.append(item)
        elif not fieldset.is_member(node):
            out.append(_remove_inside(item, node, schema.item or Schema(ANY)))
    return out


def _remove_inside(item: Any, node: fieldset.Node, schema: Schema) -> Any:
    """What is inside an atomic value is not removed one by one: the whole becomes empty."""
    if typed.is_container(item) and typed.is_unit(schema, item):
        return type(item)()
    return remove(item, node, schema)
