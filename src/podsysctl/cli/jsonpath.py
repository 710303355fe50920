"""JSONPath templates as `-o jsonpath=` takes them: `{.items[*].metadata.name}`, `{range ...}{end}`, filters.

The grammar of client-go util/jsonpath (parser.go, jsonpath.go, v1.36): text outside braces is copied, absent
fields give nothing, several values are joined by spaces.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.objects import gotext


class JSONPathError(PodsysctlError):
    """A path that the object cannot answer, such as an index past the end."""

    reason = "JSONPath"


Step = Callable[[list[Any], Any], list[Any]]
"""From the values found so far, and the root, to the next ones."""


@dataclass(frozen=True, slots=True)
class Path:
    """A chain of steps from the current value, or from the root."""

    steps: tuple[Step, ...]
    from_root: bool = False

    def find(self, current: Any, root: Any) -> list[Any]:
        """Every value that the path leads to."""
        values = [root if self.from_root else current]
        for step in self.steps:
            values = step(values, root)
        return values


@dataclass(slots=True)
class Range:
    """`{range PATH}...{end}`: the nodes between, once per value."""

    path: Path
    nodes: list[str | Path | Range] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template."""

    text: str
    nodes: list[str | Path | Range]

    def render(self, obj: Any) -> str:
        """The text for an object. Raises JSONPathError."""
        try:
            return "".join(_render(self.nodes, obj, obj))
        except JSONPathError as error:
            raise JSONPathError(
                f'error executing jsonpath "{self.text}": Error executing template: {error.message}.'
            ) from error

    def find(self, obj: Any) -> list[Any]:
        """The values of all paths, without the text. Raises JSONPathError."""
        return [value for node in self.nodes if isinstance(node, Path) for value in node.find(obj, obj)]


def _render(nodes: list[str | Path | Range], current: Any, root: Any) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, Path):
            yield " ".join(text(value) for value in node.find(current, root))
        else:
            for value in node.path.find(current, root):
                yield from _render(node.nodes, value, root)


def text(value: Any) -> str:
    """A value in a template's output: strings bare, lists and maps as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return gotext.json_text(value)
    return gotext.float_text(value) if isinstance(value, float) else str(value)


def parse(template: str) -> Template:
    """Understand a template. Raises UsageError."""
    root: list[str | Path | Range] = []
    stack: list[list[str | Path | Range]] = [root]
    at = 0
    while at < len(template):
        if template[at] != "{":
            end = template.find("{", at)
            end = len(template) if end < 0 else end
            stack[-1].append(template[at:end])
            at = end
            continue
        end = _closing(template, at, "{", "}")
        _action(template[at + 1 : end].strip(), stack, template)
        at = end + 1
    if len(stack) > 1:
        raise UsageError(f"error parsing jsonpath {template}, unclosed range")
    return Template(template, root)


def _action(inside: str, stack: list[list[str | Path | Range]], template: str) -> None:
    if inside == "end":
        if len(stack) == 1:
            raise UsageError(f"error parsing jsonpath {template}, not in range, nothing to end")
        stack.pop()
    elif inside.startswith("range "):
        node = Range(_path(inside[6:].strip(), template))
        stack[-1].append(node)
        stack.append(node.nodes)
    else:
        for part in _words(inside):
            stack[-1].append(_unquote(part) if part[0] in "\"'" else _path(part, template))


def _words(inside: str) -> list[str]:
    """The parts of one action: quoted texts and paths."""
    out, at = [], 0
    while at < len(inside):
        if inside[at].isspace():
            at += 1
        elif inside[at] in "\"'":
            end = _end_of_quote(inside, at)
            out.append(inside[at : end + 1])
            at = end + 1
        else:
            end = at
            while end < len(inside) and not inside[end].isspace():
                end = _closing(inside, end, "[", "]") + 1 if inside[end] == "[" else end + 1
            out.append(inside[at:end])
            at = end
    return out


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def _unquote(word: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), word[1:-1])


def _end_of_quote(source: str, start: int) -> int:
    at = start + 1
    while at < len(source):
        if source[at] == "\\":
            at += 1
        elif source[at] == source[start]:
            return at
        at += 1
    raise UsageError(f"error parsing jsonpath {source}, unterminated quoted string")


def _closing(source: str, start: int, opening: str, closing: str) -> int:
    depth, at = 0, start
    while at < len(source):
        char = source[at]
        if char in "\"'" and at > start:
            at = _end_of_quote(source, at)
        elif char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if not depth:
                return at
        at += 1
    kind = "action" if opening == "{" else "array"
    raise UsageError(f"error parsing jsonpath {source}, unclosed {kind}")


_NAME = re.compile(r"(?:\\.|[^.\[\]\\])+")


def _path(source: str, template: str) -> Path:
    steps: list[Step] = []
    at, from_root = 0, False
    if source[:1] in ("$", "@"):
        at, from_root = 1, source[0] == "$"
    while at < len(source):
        if source.startswith("..", at):
            steps.append(_everything)
            at += 2
            if at < len(source) and source[at] not in "[":
                at = _field(source, at, steps, template)
        elif source[at] == ".":
            at += 1
            if at < len(source) and source[at] != "[":
                at = _field(source, at, steps, template)
        elif source[at] == "[":
            end = _closing(source, at, "[", "]")
            steps.append(_bracket(source[at + 1 : end].strip(), template))
            at = end + 1
        else:
            at = _field(source, at, steps, template)
    return Path(tuple(steps), from_root)


def _field(source: str, at: int, steps: list[Step], template: str) -> int:
    match = _NAME.match(source, at)
    if match is None:
        raise UsageError(f"error parsing jsonpath {template}, unrecognized character in action")
    name = re.sub(r"\\(.)", r"\1", match[0])
    steps.append(_members if name == "*" else _member(name))
    return match.end()


def _member(name: str) -> Step:
    def step(values: list[Any], root: Any) -> list[Any]:
        return [v[name] for v in values if isinstance(v, dict) and name in v]

    return step


def _members(values: list[Any], root: Any) -> list[Any]:
    out: list[Any] = []
    for value in values:
        out += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return out


def _everything(values: list[Any], root: Any) -> list[Any]:
    out: list[Any] = []
    for value in values:
        out.append(value)
        out += _everything(_members([value], root), root)
    return out


def _bracket(inside: str, template: str) -> Step:
    if inside.startswith("?(") and inside.endswith(")"):
        return _filter(inside[2:-1].strip(), template)
    if inside == "*":
        return _members
    parts = _split_union(inside)
    if len(parts) > 1:
        steps = [_bracket(part, template) for part in parts]
        return lambda values, root: [found for value in values for step in steps for found in step([value], root)]
    if inside[:1] in ("'", '"'):
        return _member(_unquote(inside))
    match = re.fullmatch(r"(-?\d+)?(?:(:)(-?\d+)?(?::(-?\d+)?)?)?", inside)
    if match is None or not inside:
        raise UsageError(f"error parsing jsonpath {template}, invalid array index {inside}")
    if match[2] is None:
        return _index(int(inside))
    return _slice(*(int(match[i]) if match[i] else None for i in (1, 3, 4)))


def _split_union(inside: str) -> list[str]:
    return [part.strip() for part in re.split(r""",(?=(?:[^'"]|'[^']*'|"[^"]*")*$)""", inside)]


def _index(index: int) -> Step:
    def step(values: list[Any], root: Any) -> list[Any]:
        out = []
        for value in values:
            if not isinstance(value, list):
                raise JSONPathError(f"{_go_kind(value)} is not array or slice")
            if not -len(value) <= index < len(value):
                raise JSONPathError(f"array index out of bounds: index {index}, length {len(value)}")
            out.append(value[index])
        return out

    return step


def _slice(start: int | None, end: int | None, step_by: int | None) -> Step:
    def step(values: list[Any], root: Any) -> list[Any]:
        return [item for value in values if isinstance(value, list) for item in value[start:end:step_by]]

    return step


def _go_kind(value: Any) -> str:
    return gotext.json_text(value)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def _filter(condition: str, template: str) -> Step:
    match = re.fullmatch(r"""((?:[^"'=!<>]|"[^"]*"|'[^']*')+?)\s*(==|!=|<=|>=|<|>)\s*(.+)""", condition)
    if match is None:
        path = _path(condition, template)
        return lambda values, root: [item for item in _members(values, root) if path.find(item, root)]
    left, right = _operand(match[1].strip(), template), _operand(match[3].strip(), template)
    compare = _OPERATORS[match[2]]

    def step(values: list[Any], root: Any) -> list[Any]:
        out = []
        for item in _members(values, root):
            a, b = left(item, root), right(item, root)
            if a and b and _comparable(a[0], b[0]) and compare(a[0], b[0]):
                out.append(item)
        return out

    return step


def _comparable(a: Any, b: Any) -> bool:
    number = (int, float)
    if isinstance(a, bool) or isinstance(b, bool):
        return isinstance(a, bool) and isinstance(b, bool)
    return (isinstance(a, str) and isinstance(b, str)) or (isinstance(a, number) and isinstance(b, number))


def _operand(word: str, template: str) -> Callable[[Any, Any], list[Any]]:
    literal: Any
    if word[0] in "\"'":
        literal = _unquote(word)
    elif word in ("true", "false"):
        literal = word == "true"
    elif re.fullmatch(r"-?\d+", word):
        literal = int(word)
    elif re.fullmatch(r"-?\d*\.\d+", word):
        literal = float(word)
    else:
        return _path(word, template).find
    return lambda item, root: [literal]
