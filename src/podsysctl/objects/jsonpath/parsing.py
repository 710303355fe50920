"""Templates such as `{range .items[*]}{.metadata.name}{"\\n"}{end}` as nodes.

Source of grammar and texts: client-go `util/jsonpath/parser.go`, 1.36.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from podsysctl.base.errors import UsageError
from podsysctl.objects.quote import quote

TEMPLATE_LENGTH = 64 * 1024
"""Longest template; one on a command line is far below."""

NESTING = 20
"""Deepest nesting of filters and unions."""


class JsonPathError(UsageError):
    """A template that cannot be understood, or that does not fit the object."""

    reason = "InvalidJsonPath"


@dataclass(frozen=True, slots=True)
class Text:
    """Text to print, or a literal in a filter."""

    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A field of an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Word:
    """`range` or `end`."""

    word: str


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number or boolean."""

    value: int | float | bool


@dataclass(frozen=True, slots=True)
class Slice:
    """`[start:stop:step]`; None where not given. `single` marks `[n]`."""

    start: int | None
    stop: int | None
    step: int | None
    single: bool


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Every value of an object or list."""


@dataclass(frozen=True, slots=True)
class Recursive:
    """An object or list and everything below it."""


@dataclass(frozen=True, slots=True)
class Union:
    """The results of several expressions."""

    branches: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """The items for which a comparison holds."""

    left: Action
    operator: str
    right: Action


@dataclass(frozen=True, slots=True)
class Action:
    """What stands between braces."""

    nodes: tuple[Node, ...]


Node = Text | Name | Word | Number | Slice | Wildcard | Recursive | Union | Filter | Action

_TERMINATORS = frozenset(" \t\r\n.,[]$@{}")
_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)


def parse_nodes(text: str) -> tuple[Node, ...]:
    """The texts and actions of a template. Raises JsonPathError with upstream's text."""
    if len(text) > TEMPLATE_LENGTH:
        raise JsonPathError(f"template is longer than {TEMPLATE_LENGTH} characters")
    return _Parser(text, 0).template()


class _Parser:
    def __init__(self, text: str, depth: int) -> None:
        if depth > NESTING:
            raise JsonPathError(f"filters are nested deeper than {NESTING}")
        self._text = text
        self._at = 0
        self._depth = depth

    def template(self) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while self._at < len(self._text):
            opening = self._text.find("{", self._at)
            if opening < 0:
                opening = len(self._text)
            if opening > self._at:
                nodes.append(Text(self._text[self._at : opening]))
            self._at = opening
            if opening < len(self._text):
                self._at += 1
                nodes.append(self._action())
        return tuple(nodes)

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _action(self) -> Action:
        nodes: list[Node] = []
        while True:
            if self._text.startswith("[?(", self._at):
                nodes.append(self._filter())
                continue
            if self._text.startswith("..", self._at):
                self._recursive(nodes)
                continue
            char = self._peek()
            if char == "}":
                self._at += 1
                return Action(tuple(nodes))
            if char in ("", "\r", "\n"):
                raise JsonPathError("unclosed action")
            if char in " @$":
                self._at += 1
            elif char == "[":
                nodes.extend(self._array())
            elif char in "\"'":
                nodes.append(Text(self._quoted(char)))
            elif char == ".":
                self._at += 1
                nodes.append(self._field())
            elif char in "+-" or char.isdigit():
                nodes.append(self._number())
            elif char == "_" or char.isalpha():
                nodes.append(self._word())
            else:
                raise JsonPathError(f"unrecognized character in action: U+{ord(char):04X} '{char}'")

    def _recursive(self, nodes: list[Node]) -> None:
        if nodes and isinstance(nodes[-1], Recursive):
            raise JsonPathError("invalid multiple recursive descent")
        self._at += 2
        nodes.append(Recursive())
        char = self._peek()
        if char == "_" or char.isalnum():
            nodes.append(self._field())

    def _field(self) -> Node:
        out = []
        while (char := self._peek()) and char not in _TERMINATORS:
            if char == "\\":
                self._at += 1
                char = self._peek()
            out.append(char)
            self._at += 1
        name = "".join(out)
        return Wildcard() if name == "*" else Name(name)

    def _word(self) -> Node:
        start = self._at
        while (char := self._peek()) and char not in _TERMINATORS:
            self._at += 1
        word = self._text[start : self._at]
        if word in ("true", "false"):
            return Number(word == "true")
        return Word(word)

    def _number(self) -> Number:
        start = self._at
        self._at += 1
        while (char := self._peek()) == "." or char.isdigit():
            self._at += 1
        text = self._text[start : self._at]
        try:
            return Number(float(text) if "." in text else int(text))
        except ValueError as error:
            raise JsonPathError(f"cannot parse number {text}") from error

    def _quoted(self, mark: str) -> str:
        start = self._at
        self._at += 1
        while True:
            char = self._peek()
            if char in ("", "\n"):
                raise JsonPathError("unterminated quoted string")
            self._at += 1
            if char == mark and self._text[self._at - 2] != "\\":
                break
        return _unescape(self._text[start + 1 : self._at - 1], mark)

    def _array(self) -> list[Node]:
        end = self._at
        while end < len(self._text) and self._text[end] not in "]\n":
            end += 1
        if end == len(self._text) or self._text[end] == "\n":
            raise JsonPathError("unterminated array")
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        if inner == "*":
            inner = ":"
        if "," in inner:
            branches = (self._nested(f"[{part.strip(' ')}]") for part in inner.split(","))
            return [Union(tuple(branches))]
        if key := _KEY.fullmatch(inner):
            return list(self._nested(f".{key[1]}").nodes)
        return [_slice(inner)]

    def _nested(self, text: str) -> Action:
        parser = _Parser(f"{{{text}}}", self._depth + 1)
        first = parser.template()[0]
        return first if isinstance(first, Action) else Action((first,))

    def _filter(self) -> Filter:
        self._at += 3
        start = self._at
        opened = closed = False
        mark = ""
        while True:
            char = self._peek()
            if char in ("", "\n"):
                raise JsonPathError("unterminated filter")
            self._at += 1
            if char in "\"'":
                if not opened:
                    opened, mark = True, char
                elif char == mark and self._text[self._at - 2] != "\\":
                    closed = True
            elif char == ")" and opened == closed:
                break
        inner = self._text[start : self._at - 1]
        if self._peek() != "]":
            raise JsonPathError("unclosed array expect ]")
        self._at += 1
        comparison = _COMPARISON.fullmatch(inner)
        if comparison is None:
            return Filter(self._nested(inner), "exists", Action(()))
        return Filter(self._nested(comparison[1]), comparison[2], self._nested(comparison[3]))


def _slice(text: str) -> Slice:
    match = _SLICE.fullmatch(text)
    if match is None or len(text) > 64:
        raise JsonPathError(f"invalid array index {text}")
    start, stop, step = (part.removeprefix(":") if part else part for part in match.groups())

    def number(part: str | None) -> int | None:
        if not part:
            return None
        if part == "-":
            raise JsonPathError(f"array index {part} is not a number")
        return int(part)

    return Slice(number(start), number(stop), number(step), single=stop is None)


def _unescape(text: str, mark: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code:
            return chr(int(code, 16)) if int(code, 16) < 0x110000 else "\ufffd"
        if match[4]:
            return chr(int(match[4], 8))
        if match[5] in _ESCAPES or match[5] == mark:
            return _ESCAPES.get(match[5], mark)
        raise JsonPathError(f"unquote string {quote(text)} error invalid syntax")

    return _ESCAPE.sub(one, text)
