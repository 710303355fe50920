"""Sets of field paths, in the very form that managedFields store (FieldsV1).

A node is a dict from path element to child node. An element is `f:name` (a field), `k:{...}` (the keys of a
list element), `v:...` (the value of a set element) or `i:0`. A child is a member of the set when it is an
empty dict or holds ".". The root is never a member. No function changes its arguments; results share nodes.
Source: structured-merge-diff v6 `fieldpath`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from podsysctl.objects import gotext
from podsysctl.objects.quote import quote
from podsysctl.objects.schema import LIST, MAP, OBJECT, Schema

MEMBER = "."

Node = dict[str, Any]
Path = tuple[str, ...]

_RANK = {"f": 0, "k": 1, "v": 2, "i": 3}


def is_member(node: Mapping[str, Any]) -> bool:
    """Whether the path that leads to this node is in the set."""
    return not node or MEMBER in node


def _node(member: bool, children: Node) -> Node | None:
    """A child node; None when nothing below it nor itself is in the set."""
    if not children:
        return {} if member else None
    return {MEMBER: {}, **children} if member else children


def _children(node: Node) -> Node:
    return {key: child for key, child in node.items() if key != MEMBER} if MEMBER in node else node


def of_paths(paths: Iterable[Iterable[str]]) -> Node:
    """The set of some paths, given as field names."""
    root: Node = {}
    for path in paths:
        insert(root, tuple(f"f:{name}" for name in path))
    return root


def insert(root: Node, path: Path) -> None:
    """Add a path to a set that the caller built itself; this one changes its argument."""
    if not path:
        return
    node = root
    for position, element in enumerate(path):
        child = node.get(element)
        if child is None:
            for rest in path[position:]:
                node[rest] = node = {}
            return
        if not child and position < len(path) - 1:
            child[MEMBER] = {}
        node = child
    if node:
        node[MEMBER] = {}


def union(left: Node, right: Node) -> Node:
    """Paths of either."""
    if not left or not right:
        return left or right
    out = dict(left)
    for key, theirs in right.items():
        mine = left.get(key)
        if mine is None or key == MEMBER:
            out[key] = theirs
        else:
            member = is_member(mine) or is_member(theirs)
            out[key] = _node(member, union(_children(mine), _children(theirs)))
    return out


def intersection(left: Node, right: Node) -> Node:
    """Paths of both."""
    out: Node = {}
    for key, mine in left.items():
        theirs = right.get(key)
        if theirs is None or key == MEMBER:
            continue
        member = is_member(mine) and is_member(theirs)
        child = _node(member, intersection(_children(mine), _children(theirs)))
        if child is not None:
            out[key] = child
    return out


def difference(left: Node, right: Node) -> Node:
    """Paths of `left` that are not in `right`; a path of `right` does not take those below it along."""
    return _difference(left, right, recursive=False)


def recursive_difference(left: Node, right: Node) -> Node:
    """Paths of `left` that are neither in `right` nor below one that is."""
    return _difference(left, right, recursive=True)


def _difference(left: Node, right: Node, *, recursive: bool) -> Node:
    """`left` itself when nothing of it goes, which is the usual case: a write leaves most managers alone."""
    out = left
    for key, theirs in right.items():
        mine = left.get(key)
        if mine is None or key == MEMBER:
            continue
        taken = is_member(theirs)
        rest = None if taken and recursive else _rest(mine, _difference(mine, theirs, recursive=recursive), taken)
        if rest is mine:
            continue
        if out is left:
            out = dict(left)
        if rest is None:
            del out[key]
        else:
            out[key] = rest
    return out


def _rest(mine: Node, below: Node, taken: bool) -> Node | None:
    """What is left of a node of which `below` is left with its own membership; None when nothing is."""
    if not mine:
        return None if taken else mine
    if MEMBER not in below:
        return below or None
    if taken:
        return _children(below) or None
    return below if len(below) > 1 else {}


def paths(root: Node, prefix: Path = ()) -> Iterator[Path]:
    """Every path of the set, members of a level before what is below, each level in upstream's order."""
    keys = sorted((key for key in root if key != MEMBER), key=_order)
    for key in keys:
        if is_member(root[key]):
            yield (*prefix, key)
    for key in keys:
        yield from paths(root[key], (*prefix, key))


def has(root: Node, path: Path) -> bool:
    """Whether the set holds this path."""
    node = root
    for element in path:
        child = node.get(element)
        if child is None:
            return False
        node = child
    return bool(path) and is_member(node)


def named_members(node: Node, schema: Schema | None) -> Node:
    """The set with every declared field that has something below it made a member."""
    out: Node = {}
    for key, child in node.items():
        if key == MEMBER:
            out[key] = child
            continue
        below: Schema | None = None
        declared = False
        if schema is not None:
            if key.startswith("f:"):
                below = schema.child(key[2:])
                declared = schema.kind == OBJECT and key[2:] in schema.fields
            elif key.startswith("k:") and schema.kind == LIST:
                below = schema.item
        if not child:
            out[key] = child
        else:
            inner = named_members(child, below)
            out[key] = {MEMBER: {}, **inner} if declared else inner
    return out


def collapse_atomic(node: Node, schema: Schema | None) -> Node:
    """The set after types below it became atomic: what was inside is owned as the whole."""
    out: Node = {}
    for key, child in node.items():
        below = None
        if schema is not None and key != MEMBER and child:
            below = schema.child(key[2:]) if schema.kind in (OBJECT, MAP) else schema.item
        if below is None:
            out[key] = child
        elif (below.kind in (OBJECT, MAP) and below.map_atomic) or (below.kind == LIST and below.list_type == "atomic"):
            out[key] = {}
        else:
            inner = collapse_atomic(child, below)
            out[key] = inner
    return out


def _order(element: str) -> tuple[int, str]:
    return _RANK.get(element[0], 4), element


def encode(node: Node) -> Node:
    """The stored form: "." first, then fields, keys, values and indices, each sorted."""
    keys = sorted((key for key in node if key != MEMBER), key=_order)
    out: Node = {MEMBER: {}} if MEMBER in node else {}
    for key in keys:
        out[key] = encode(node[key]) if node[key] else {}
    return out


def decode(fields: Any) -> Node:
    """A stored set with its keys brought into one spelling. Raises ValueError on anything else."""
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        raise ValueError("fieldsV1 is not an object")
    out: Node = {}
    for key, child in fields.items():
        if key == MEMBER:
            out[key] = {}
            continue
        if len(key) < 2:
            raise ValueError("key must be 2 characters long:")
        if key[1] != ":":
            raise ValueError(f"missing colon: {key}")
        if key[0] in _RANK:
            out[_canonical(key) if key[0] in "kv" else key] = decode(child)
    return out


@lru_cache(maxsize=4096)
def _canonical(element: str) -> str:
    return f"{element[:2]}{gotext.json_text(json.loads(element[2:]))}"


def element_text(element: str) -> str:
    """One element as conflict messages show it: `.name`, `[name="a",port=80]`, `[="x"]`, `[0]`."""
    head, rest = element[:2], element[2:]
    if head == "f:":
        return f".{rest}"
    if head == "i:":
        return f"[{rest}]"
    value = json.loads(rest)
    if head == "v:":
        return f"[={_value_text(value)}]"
    return "[" + ",".join(f"{name}={_value_text(value[name])}" for name in sorted(value)) + "]"


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_value_text, value))}]"
    if isinstance(value, dict):
        return "".join(f"{key}={_value_text(item)}" for key, item in value.items())
    return quote(value) if isinstance(value, str) else gotext.json_text(value)


def path_text(path: Path) -> str:
    """A path as conflict messages show it: `.spec.containers[name="a"].image`."""
    return "".join(map(element_text, path))
