"""How Go prints a text in quotes: `%q` and `strconv.Quote`, which upstream's messages use throughout."""

from __future__ import annotations

import unicodedata

_SHORT = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}

_PRINTABLE = frozenset("LMNPS")
"""First letters of the Unicode categories that Go's strconv.IsPrint accepts; of spaces it accepts only U+0020."""


def quote(text: str) -> str:
    """The text as a Go string literal in double quotes.

    Lone surrogates, which stand for bytes that are not UTF-8, become `\\xNN`.

    >>> quote('a"b')
    '"a\\\\"b"'
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(char: str) -> str:
    short = _SHORT.get(char)
    if short is not None:
        return short
    code = ord(char)
    if char == " " or unicodedata.category(char)[0] in _PRINTABLE:
        return char
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
