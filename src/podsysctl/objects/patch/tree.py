"""Plain operations on JSON trees that all patches need: copy, equality, depth."""

from __future__ import annotations

from typing import Any


def clone(value: Any) -> Any:
    """A deep copy of a JSON value; faster than copy.deepcopy, since only dicts and lists are mutable."""
    if type(value) is dict:
        return {key: clone(item) if type(item) in _CONTAINERS else item for key, item in value.items()}
    if type(value) is list:
        return [clone(item) if type(item) in _CONTAINERS else item for item in value]
    return value


_CONTAINERS = (dict, list)


def equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: unlike Python's, true is not 1, and 1 is not 1.0.

    >>> equal({"a": [True]}, {"a": [1]})
    False
    """
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if type(left) is dict:
        return left.keys() == right.keys() and all(equal(item, right[key]) for key, item in left.items())
    if type(left) is list:
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def depth(value: Any) -> int:
    """How deep a value is nested; 0 for a scalar. Does not recurse, so any depth can be measured."""
    deepest = 0
    pending = [(value, 0)]
    while pending:
        node, level = pending.pop()
        if type(node) in _CONTAINERS:
            level += 1
            deepest = max(deepest, level)
            items = node.values() if type(node) is dict else node
            pending.extend((item, level) for item in items if type(item) in _CONTAINERS)
    return deepest
