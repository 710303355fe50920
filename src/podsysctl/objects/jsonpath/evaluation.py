"""What a template finds in an object and prints of it.

Source: client-go `util/jsonpath/jsonpath.go`, kubectl `pkg/cmd/get/customcolumn.go`, 1.36.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from podsysctl.objects import gotext
from podsysctl.objects.jsonpath import parsing
from podsysctl.objects.jsonpath.parsing import Action, JsonPathError, Node

RESULTS = 200_000
"""Most values one step may find; recursive descent on a large object stays below it."""

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
}
_RELAXED = re.compile(r"\{\.?([^{}]+)\}|\.?([^{}]+)")


class Template:
    """A parsed template; it holds no state, so one serves any number of objects."""

    def __init__(self, nodes: Sequence[Node], *, allow_missing: bool) -> None:
        self._nodes = nodes
        self._allow_missing = allow_missing

    def find(self, obj: Any) -> list[list[Any]]:
        """Results of each action, in order; ranges are unrolled.

        Raises JsonPathError for a missing field (unless allowed), an index out of bounds and the like.
        """
        return self._run(0, obj, in_range=0)[0]

    def first(self, obj: Any) -> Any:
        """The first result, or None: what a printer column shows."""
        for results in self.find(obj):
            return results[0] if results else None
        return None

    def render(self, obj: Any) -> str:
        """The text that `-o jsonpath` prints."""
        return "".join(" ".join(map(value_text, results)) for results in self.find(obj))

    def _run(self, start: int, data: Any, *, in_range: int) -> tuple[list[list[Any]], int]:
        """Results from a node up to the end of its block, and where that is."""
        out: list[list[Any]] = []
        at = start
        while at < len(self._nodes):
            node = self._nodes[at]
            words = [n.word for n in node.nodes if isinstance(n, parsing.Word)] if isinstance(node, Action) else []
            results = self._walk([data], node)
            if "end" in words:
                if not in_range:
                    raise JsonPathError("not in range, nothing to end")
                return out, at
            if "range" in words:
                at = self._loop(at + 1, results, out, in_range + 1)
            else:
                out.append(results)
            at += 1
        return out, at

    def _loop(self, start: int, values: list[Any], out: list[list[Any]], in_range: int) -> int:
        if not values:
            return self._skip(start)
        end = start
        for value in values:
            found, end = self._run(start, value, in_range=in_range)
            out.extend(found)
            _bound(out)
        return end

    def _skip(self, start: int) -> int:
        """The matching end of a range that has no values."""
        depth = 1
        for at in range(start, len(self._nodes)):
            node = self._nodes[at]
            for inner in node.nodes if isinstance(node, Action) else ():
                if isinstance(inner, parsing.Word):
                    depth += 1 if inner.word == "range" else -1
            if depth == 0:
                return at
        return len(self._nodes)

    def _walk(self, values: list[Any], node: Node) -> list[Any]:
        if isinstance(node, Action):
            for inner in node.nodes:
                values = self._walk(values, inner)
            return values
        if isinstance(node, parsing.Text):
            return [node.text]
        if isinstance(node, parsing.Name):
            return self._field(values, node.name)
        if isinstance(node, parsing.Number):
            return [node.value for _ in values]
        if isinstance(node, parsing.Slice):
            return _bound([item for value in values if value is not None for item in _slice(value, node)])
        if isinstance(node, parsing.Wildcard):
            return _bound([item for value in values for item in _items(value)])
        if isinstance(node, parsing.Recursive):
            return _recursive(values)
        if isinstance(node, parsing.Union):
            return _bound([item for branch in node.branches for item in self._walk(values, branch)])
        if isinstance(node, parsing.Filter):
            return self._filter(values, node)
        if node.word == "range":
            return values
        if node.word == "end":
            return []
        raise JsonPathError(f"unrecognized identifier {node.word}")

    def _field(self, values: list[Any], name: str) -> list[Any]:
        if not values:
            return []
        out = [value[name] for value in values if isinstance(value, dict) and name in value]
        if not out and not self._allow_missing:
            raise JsonPathError(f"{name} is not found")
        return out

    def _filter(self, values: list[Any], node: parsing.Filter) -> list[Any]:
        out = []
        for value in values:
            if not isinstance(value, list):
                raise JsonPathError(f"{value_text(value)} is not array or slice and cannot be filtered")
            out += [item for item in value if self._passes(item, node)]
        return _bound(out)

    def _passes(self, item: Any, node: parsing.Filter) -> bool:
        if node.operator == "exists":
            try:
                return bool(self._walk([item], node.left))
            except JsonPathError:
                return False
        lefts, rights = self._walk([item], node.left), self._walk([item], node.right)
        if not lefts or not rights:
            return False
        if len(lefts) > 1 or len(rights) > 1:
            raise JsonPathError("can only compare one element at a time")
        compare = _COMPARISONS.get(node.operator)
        if compare is None:
            raise JsonPathError(f"unrecognized filter operator {node.operator}")
        return compare_values(compare, lefts[0], rights[0])


def compare_values(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    """A comparison of basic values of one kind. Raises JsonPathError for others."""
    kinds = {_kind(left), _kind(right)}
    if None in kinds or (kinds == {"bool"} and compare not in (operator.eq, operator.ne)):
        raise JsonPathError("invalid type for comparison")
    if len(kinds) > 1:
        raise JsonPathError("incompatible types for comparison")
    return compare(left, right)


def _kind(value: Any) -> str | None:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else None


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _recursive(values: list[Any]) -> list[Any]:
    """Every container at and below the values, a parent before what is in it."""
    out: list[Any] = []
    pending = list(reversed(values))
    while pending:
        value = pending.pop()
        items = _items(value)
        if items:
            out.append(value)
            _bound(out)
            pending.extend(reversed(items))
    return out


def _slice(value: Any, node: parsing.Slice) -> list[Any]:
    if not isinstance(value, list):
        raise JsonPathError(f"{_go_type(value)} is not array or slice")
    length = len(value)
    start = node.start or 0
    if start < 0:
        start += length
    if node.single:
        stop = (node.start or 0) + 1
        if stop <= 0:
            stop += length
    else:
        stop = length if node.stop is None else node.stop
        if stop < 0:
            stop += length
    if start == stop:
        return []
    if not 0 <= start < length:
        raise JsonPathError(f"array index out of bounds: index {start}, length {length}")
    if not 0 <= stop <= length:
        raise JsonPathError(f"array index out of bounds: index {stop - 1}, length {length}")
    if start > stop:
        raise JsonPathError(f"starting index {start} is greater than ending index {stop}")
    step = 1 if node.step is None else node.step
    if step <= 0:
        raise JsonPathError("step must be > 0")
    return value[start:stop:step]


def _go_type(value: Any) -> str:
    names = {dict: "map[string]interface {}", str: "string", bool: "bool", int: "int64", float: "float64"}
    return names.get(type(value), "<nil>")


def _bound(results: list[Any]) -> list[Any]:
    if len(results) > RESULTS:
        raise JsonPathError(f"more than {RESULTS} results")
    return results


def value_text(value: Any) -> str:
    """One result as it is printed: text bare, containers as compact JSON."""
    if isinstance(value, str):
        return value
    return gotext.json_text(value)


def parse(template: str, *, allow_missing: bool = True) -> Template:
    """A template of `-o jsonpath`. Raises JsonPathError."""
    return Template(parsing.parse_nodes(template), allow_missing=allow_missing)


def relaxed(expression: str, *, allow_missing: bool = True) -> Template:
    """An expression whose braces and leading dot may be missing: `.spec.x`, `spec.x`, `{.spec.x}`."""
    if not expression:
        return parse("", allow_missing=allow_missing)
    match = _RELAXED.fullmatch(expression)
    if match is None:
        raise JsonPathError(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'"
        )
    return parse(f"{{.{match[1] or match[2]}}}", allow_missing=allow_missing)
