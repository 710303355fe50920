"""How Pod Security words lists in its messages: names in quotes, singular and plural.

Texts that upstream escapes are quoted by `objects/quote.py`.
Source: pod-security-admission policy/helpers.go.
"""

from __future__ import annotations

from collections.abc import Sequence


def join_quoted(items: Sequence[str]) -> str:
    """Names in double quotes, joined by commas; quotes inside a name are left alone, as upstream does.

    >>> join_quoted(["a", "b"])
    '"a", "b"'
    """
    return '"' + '", "'.join(items) + '"' if items else ""


def plural(singular: str, several: str, count: int) -> str:
    """The form of a noun or verb that fits a count."""
    return singular if count == 1 else several
