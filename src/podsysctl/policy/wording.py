"""How upstream's Go code words values in messages: quoted strings, lists, singular and plural.

Every gate builds its texts from these, so that quoting rules stand in one place.
Sources: Go strconv.Quote, pod-security-admission policy/helpers.go.
"""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def quote(text: str) -> str:
    """A string as Go's %q prints it.

    >>> quote('net.core.somaxconn')
    '"net.core.somaxconn"'
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    known = _ESCAPES.get(char)
    if known is not None:
        return known
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def join_quoted(items: Sequence[str]) -> str:
    """Names in double quotes, joined by commas; quotes inside a name are left alone, as upstream does.

    >>> join_quoted(["a", "b"])
    '"a", "b"'
    """
    return '"' + '", "'.join(items) + '"' if items else ""


def plural(singular: str, several: str, count: int) -> str:
    """The form of a noun or verb that fits a count."""
    return singular if count == 1 else several
