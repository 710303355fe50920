"""JSON as CNI plugins read and print it: Go's rules, in a module that imports next to nothing.

The scanner behind Python's json module is used without that module, whose regular expressions cost more to import than
a whole ADD takes. Where it says no, `objects.gojson` finds Go's words for why.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Members(list):  # type: ignore[type-arg]
    """An object as the list of its members, in the order written, duplicates included."""


class Fraction(str):
    """A number with a point or an exponent, as it was written."""

    __slots__ = ()


_MOST_DIGITS = 20
"""More than 64 bits have, with the sign."""


class Problem(Exception):
    """The text of Go's encoding/json."""


def read_int(digits: str) -> int | Fraction:
    """A whole number. One that no field can hold stays text: reading it would take time that grows with its square."""
    return int(digits) if len(digits) <= _MOST_DIGITS else Fraction(digits)


class _Context:
    """What the scanner wants to be told."""

    strict = True
    object_hook = None
    object_pairs_hook = Members
    parse_float = Fraction
    parse_int = staticmethod(read_int)

    @staticmethod
    def parse_constant(_: str) -> Any:
        raise ValueError

    memo: dict[str, str] = {}


def parse(data: bytes) -> Any:
    """The value of a JSON text; objects as Members. Raises Problem."""
    text = data.decode("utf-8", "replace")
    stripped = text.lstrip(" \t\r\n")
    try:
        from _json import make_scanner

        scan: Any = make_scanner
        value, end = scan(_Context)(stripped, 0)
        if stripped[end:].strip(" \t\r\n"):
            raise ValueError
    # An interpreter without json.decoder imported reports a syntax error as SystemError.
    except (ValueError, StopIteration, SystemError, RecursionError, ImportError):
        return _slow(data)
    return value


def _slow(data: bytes) -> Any:
    """Find Go's words, or read what only the usual module can."""
    import json

    from podsysctl.objects import gojson

    try:
        gojson.check_syntax(data)
    except gojson.JSONSyntaxError as error:
        raise Problem(error.message) from error
    try:
        text = data.decode("utf-8", "replace")
        return json.loads(text, object_pairs_hook=Members, parse_float=Fraction, parse_int=read_int)
    except (ValueError, RecursionError) as error:
        raise Problem("exceeded max depth") from error


def plain(node: Any) -> Any:
    """The tree with dicts for objects, as `map[string]interface{}` holds it: the last duplicate wins."""
    if isinstance(node, Members):
        return {key: plain(value) for key, value in node}
    if isinstance(node, list):
        return [plain(item) for item in node]
    return node


def quote(text: str) -> str:
    """A string as Go's encoder writes it, markup escaped."""
    from _json import encode_basestring

    out: str = encode_basestring(text)
    if "\b" in text or "\f" in text:
        out = '"' + "".join([encode_basestring(c)[1:-1] if c not in "\b\f" else f"\\u{ord(c):04x}" for c in text]) + '"'
    for character in "<>&\u2028\u2029":
        if character in out:
            out = out.replace(character, f"\\u{ord(character):04x}")
    return out


def indent(value: Any, step: str = "    ", level: str = "") -> str:
    """`json.MarshalIndent` of a value made of dicts, lists, strings, numbers, booleans and None."""
    inner = level + step
    if isinstance(value, dict):
        if not value:
            return "{}"
        members = [f"{inner}{quote(key)}: {indent(item, step, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{level}}}"
    if isinstance(value, list):
        if not value:
            return "[]"
        return "[\n" + ",\n".join([inner + indent(item, step, inner) for item in value]) + f"\n{level}]"
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def encode(text: str) -> bytes:
    """UTF-8; what an escape made and no text can hold becomes U+FFFD, as Go's decoder does."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
