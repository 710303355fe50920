"""Regular expressions of Go, which `pattern` is written in: RE2, linear in the length of the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from podsysctl.base.errors import UsageError

MEMORY_BYTES = 1 << 20
"""Most memory of one compiled pattern; larger ones are refused with the definition."""


class PatternError(UsageError):
    """A pattern that RE2 does not understand."""

    reason = "InvalidPattern"


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0] if error.args else error
        shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        raise PatternError(f"error parsing regexp: {shown}") from error


def check(pattern: str) -> None:
    """Raises PatternError for a pattern that cannot be used."""
    _compiled(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text."""
    return _compiled(pattern).search(text) is not None
