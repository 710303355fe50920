"""Fitting JSON to the structs of upstream's plugin, with the texts of Go's decoder where it does not fit.

Field names match without regard to case, null leaves a field as it was, later members override earlier ones, and the
first problem in the document is the one that is told.
"""

from __future__ import annotations

from podsysctl.cni.wire import Fraction, Members, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STRING, BOOL, INT = "string", "bool", "int"


class Struct:
    """A Go struct: its short name, before a field in messages, its whole type, and its fields by JSON name.

    An opaque one reads itself, and Go names the field that holds it whatever is wrong inside.
    """

    __slots__ = ("fields", "folded", "go_name", "opaque", "short_name")

    def __init__(self, short_name: str, fields: dict[str, Any], go_name: str = "", *, opaque: bool = False) -> None:
        self.opaque = opaque
        self.short_name = short_name
        self.go_name = go_name or short_name
        self.fields = fields
        self.folded = {name.lower(): name for name in fields}


class Map:
    """A Go map from string, of one type of value; the order of the document is kept."""

    __slots__ = ("go_name", "value")

    def __init__(self, value: Any, go_name: str) -> None:
        self.value = value
        self.go_name = go_name


class List:
    """A Go slice."""

    __slots__ = ("element", "go_name")

    def __init__(self, element: Any, go_name: str) -> None:
        self.element = element
        self.go_name = go_name


class Text:
    """A type that reads itself from a string; the function raises Problem."""

    __slots__ = ("go_name", "read")

    def __init__(self, read: Callable[[str], Any], go_name: str) -> None:
        self.read = read
        self.go_name = go_name


class Anything:
    """An object of any members, kept as it is."""

    __slots__ = ()
    go_name = "map[string]interface {}"


def fit(kind: Any, node: Any, where: str = "") -> Any:
    """The value: a dict of the fields that were set, a list, a string, a bool or an int. None for null.

    `where` is the Go struct and path for messages. Raises Problem.
    """
    if node is None:
        return None
    if isinstance(kind, Struct):
        return _fit_struct(kind, node, where)
    if isinstance(kind, Text):
        if not isinstance(node, str) or isinstance(node, Fraction):
            raise _mismatch(node, kind.go_name, where)
        return kind.read(node)
    if isinstance(kind, Map):
        if not isinstance(node, Members):
            raise _mismatch(node, kind.go_name, where)
        return {key: _zero(kind.value) if item is None else fit(kind.value, item, where) for key, item in node}
    if isinstance(kind, List):
        if not isinstance(node, list) or isinstance(node, Members):
            raise _mismatch(node, kind.go_name, where)
        return [_zero(kind.element) if item is None else fit(kind.element, item, where) for item in node]
    if isinstance(kind, Anything):
        if not isinstance(node, Members):
            raise _mismatch(node, kind.go_name, where)
        return node
    if _fits(kind, node):
        return node
    raise _mismatch(node, kind, where)


def _fits(kind: str, node: Any) -> bool:
    if kind == BOOL:
        return isinstance(node, bool)
    if kind == INT:
        return isinstance(node, int) and not isinstance(node, bool) and -(2**63) <= node < 2**63
    return isinstance(node, str) and not isinstance(node, Fraction)


def _fit_struct(kind: Struct, node: Any, where: str) -> dict[str, Any]:
    if not isinstance(node, Members):
        raise _mismatch(node, kind.go_name, where)
    path = where.partition(".")[2]
    out: dict[str, Any] = {}
    for key, item in node:
        name = key if key in kind.fields else kind.folded.get(key.lower())
        if name is None:
            continue
        field = kind.fields[name]
        below = f"{kind.short_name}.{path}.{name}" if path else f"{kind.short_name}.{name}"
        value = fit(field, item, where if kind.opaque else below)
        if value is None:
            if not isinstance(field, str) and not isinstance(field, Struct):
                out.pop(name, None)  # null empties a map, a slice or a pointer, and leaves everything else
        elif isinstance(value, dict) and isinstance(out.get(name), dict):
            out[name].update(value)
        else:
            out[name] = value
    return out


def _zero(kind: Any) -> Any:
    return {STRING: "", BOOL: False, INT: 0}.get(kind) if isinstance(kind, str) else None


def _mismatch(node: Any, go_name: str, where: str) -> Problem:
    target = f"Go struct field {where}" if where else "Go value"
    return Problem(f"json: cannot unmarshal {_word(node, go_name)} into {target} of type {go_name}")


def _word(node: Any, go_name: str) -> str:
    if isinstance(node, Members):
        return "object"
    if isinstance(node, bool):
        return "bool"
    if isinstance(node, int | Fraction):
        return f"number {node}" if go_name == INT else "number"
    return "array" if isinstance(node, list) else "string"
