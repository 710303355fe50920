"""JSON as upstream's decoder reads it: syntax errors in its words, and a tree that keeps what a dict loses.

The quick path of decoding uses orjson; this module runs only when a body needs a closer look: a syntax
error, a duplicate member, or a value of the wrong type whose literal text belongs in the answer.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.base.limits import OBJECT_DEPTH
from podsysctl.objects.quote import quote


class JSONSyntaxError(ValueSyntaxError):
    """A body that is not JSON; the message is the text of Go's encoding/json."""


class Members(list[tuple[str, Any]]):
    """An object as the list of its members, in document order, duplicates included."""


class NumberText(str):
    """A number as it was written."""

    __slots__ = ()


_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_PLAIN = re.compile(rb"[^\"\\\x00-\x1f]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ENDED = "unexpected end of JSON input"


def _fail(data: bytes, at: int, context: str) -> NoReturn:
    """Raise the text for what stands at `at`. At the end Go's scanner tries a blank, and names it where none can be."""
    inside = "escape" in context or ("literal" in context and "string" not in context)
    if at >= len(data) and not inside:
        raise JSONSyntaxError(_ENDED)
    char = chr(data[at]) if at < len(data) else " "
    shown = {"'": "\\'", '"': '"'}.get(char) or quote(char)[1:-1]
    raise JSONSyntaxError(f"invalid character '{shown}' {context}")


def check_syntax(data: bytes) -> None:
    """Raise JSONSyntaxError unless `data` is one JSON value, nested at most OBJECT_DEPTH deep."""
    at = _skip(data, 0)
    stack: list[int] = []
    expect_value = True
    while True:
        if expect_value:
            at, opened = _value(data, at, stack)
            if opened:
                at = _skip(data, at)
                if at < len(data) and data[at] == stack[-1]:
                    stack.pop()
                    at += 1
                elif stack[-1] == 0x7D:
                    at = _key(data, at)
                    continue
                else:
                    continue
            expect_value = False
        at = _skip(data, at)
        if not stack:
            if at < len(data):
                _fail(data, at, "after top-level value")
            return
        at, expect_value = _after_value(data, at, stack)


def _skip(data: bytes, at: int) -> int:
    match = _SPACE.match(data, at)
    return match.end() if match else at


def _after_value(data: bytes, at: int, stack: list[int]) -> tuple[int, bool]:
    """Read the comma or the end after a member or element; the flag says that a value follows."""
    closing = stack[-1]
    if at < len(data) and data[at] == closing:
        stack.pop()
        return at + 1, False
    if at >= len(data) or data[at] != 0x2C:
        _fail(data, at, "after object key:value pair" if closing == 0x7D else "after array element")
    at = _skip(data, at + 1)
    if closing == 0x7D:
        at = _key(data, at)
    return at, True


def _key(data: bytes, at: int) -> int:
    """Read a member's name and colon; return where its value begins."""
    if at >= len(data) or data[at] != 0x22:
        _fail(data, at, "looking for beginning of object key string")
    at = _skip(data, _string(data, at))
    if at >= len(data) or data[at] != 0x3A:
        _fail(data, at, "after object key")
    return _skip(data, at + 1)


def _value(data: bytes, at: int, stack: list[int]) -> tuple[int, bool]:
    """Read a literal or the opening of a container, which is pushed on the stack by its closing byte."""
    if at >= len(data):
        raise JSONSyntaxError(_ENDED)
    first = data[at]
    if first in b"{[":
        if len(stack) >= OBJECT_DEPTH:
            _fail(data, at, "exceeded max depth")
        stack.append(0x7D if first == 0x7B else 0x5D)
        return at + 1, True
    if first == 0x22:
        return _string(data, at), False
    if first in b"-0123456789":
        return _number(data, at), False
    for word in (b"true", b"false", b"null"):
        if first == word[0]:
            return _word(data, at, word), False
    _fail(data, at, "looking for beginning of value")


def _word(data: bytes, at: int, word: bytes) -> int:
    for index, expected in enumerate(word):
        if at + index >= len(data) or data[at + index] != expected:
            _fail(data, at + index, f"in literal {word.decode()} (expecting '{chr(expected)}')")
    return at + len(word)


def _string(data: bytes, at: int) -> int:
    match = _STRING.match(data, at)
    if match is not None:
        return match.end()
    at += 1
    while True:
        plain = _PLAIN.match(data, at)
        at = plain.end() if plain else at
        if at >= len(data) or data[at] != 0x5C:
            _fail(data, at, "in string literal")
        at += 1
        if at >= len(data) or data[at] not in b'"\\/bfnrtu':
            _fail(data, at, "in string escape code")
        if data[at] == 0x75:
            for digit in range(at + 1, at + 5):
                if digit >= len(data) or data[digit] not in b"0123456789abcdefABCDEF":
                    _fail(data, digit, "in \\u hexadecimal character escape")
            at += 4
        at += 1


def _number(data: bytes, at: int) -> int:
    match = _NUMBER.match(data, at)
    if match is None:
        _fail(data, at + 1, "in numeric literal")
    at = match.end()
    if at < len(data) and data[at] in b".eE":
        text = match[0]
        if data[at] == 0x2E and b"." not in text and b"e" not in text.lower():
            _fail(data, at + 1, "after decimal point in numeric literal")
        if data[at] in b"eE" and b"e" not in text.lower():
            sign = at + 1 < len(data) and data[at + 1] in b"+-"
            _fail(data, at + 1 + sign, "in exponent of numeric literal")
    return at


def read_tree(data: bytes) -> Any:
    """The value as Members, lists, str, bool, None and NumberText. Raises JSONSyntaxError."""
    check_syntax(data)
    text = data.decode("utf-8", "replace")
    tree = json.loads(text, object_pairs_hook=Members, parse_int=NumberText, parse_float=NumberText)
    return _mend(tree) if "\\u" in text else tree


def _mend(node: Any) -> Any:
    """Replace lone surrogates, which only escapes can make, as Go does."""
    if isinstance(node, Members):
        return Members((_mend(key), _mend(value)) for key, value in node)
    if isinstance(node, list):
        return [_mend(item) for item in node]
    if type(node) is str and any("\ud800" <= char <= "\udfff" for char in node):
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in node)
    return node


def to_plain(node: Any) -> Any:
    """The tree as dicts; of duplicate members objects are merged and others replaced, as Go does.

    Whole numbers become int, all others stay NumberText: see `finish_numbers`.
    """
    if isinstance(node, Members):
        out: dict[str, Any] = {}
        for key, value in node:
            plain = to_plain(value)
            before = out.get(key)
            if isinstance(before, dict) and isinstance(plain, dict):
                out[key] = _merge(before, plain)
            else:
                out[key] = plain
        return out
    if isinstance(node, NumberText):
        value = number(node)
        return value if type(value) is int else node
    if isinstance(node, list):
        return [to_plain(item) for item in node]
    return node


def finish_numbers(node: Any) -> Any:
    """The value with every NumberText made a number; the value itself when it holds none."""
    if type(node) is NumberText:
        return number(node)
    if type(node) is dict:
        return {key: finish_numbers(item) for key, item in node.items()}
    if type(node) is list:
        return [finish_numbers(item) for item in node]
    return node


def _merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    out = dict(old)
    for key, value in new.items():
        before = out.get(key)
        out[key] = _merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return out


def number(text: str) -> int | float:
    """A number as untyped fields keep it: whole ones that fit 64 bits as int, all others as float."""
    if "." not in text:
        try:
            whole = int(text)
        except ValueError:
            return float(text)
        if -(1 << 63) <= whole < 1 << 63:
            return whole
    return float(text)


_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def count_members(data: bytes) -> int:
    """How many object members valid JSON text has, duplicates included."""
    return _STRINGS.sub(b"", data).count(b":")


def count_kept(value: Any, depth: int = 0) -> int:
    """How many members a parsed value has. Raises JSONSyntaxError when it is nested too deep."""
    if depth > OBJECT_DEPTH:
        raise JSONSyntaxError("invalid character '{' exceeded max depth")
    if type(value) is dict:
        total = len(value)
        for item in value.values():
            if type(item) is dict or type(item) is list:
                total += count_kept(item, depth + 1)
        return total
    total = 0
    for item in value if type(value) is list else ():
        if type(item) is dict or type(item) is list:
            total += count_kept(item, depth + 1)
    return total
