"""`$(NAME)` references in command, args, env and sub paths, as Kubernetes expands them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"\$(?:(\$)|\(([^)]*)\))")


def expand(text: str, *sources: Mapping[str, str]) -> str:
    """Replace each `$(NAME)` by the first source that has it; `$$` is a literal `$`; unknown names stay as written.

    Source: third_party/forked/golang/expansion.

    >>> expand("a $(X) $(Y) $$(X) $Z $(", {"X": "1"})
    'a 1 $(Y) $(X) $Z $('
    """

    def replacement(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        for source in sources:
            if match[2] in source:
                return source[match[2]]
        return match[0]

    return _TOKEN.sub(replacement, text)


def missing(text: str, source: Mapping[str, str]) -> list[str]:
    """Names that a text refers to and that have no value, or an empty one, in order and each once.

    >>> missing("$(B)/$(A)/$$(C)/$(B)/$(D)", {"A": "", "D": "1"})
    ['A', 'B']
    """
    return sorted({match[2] for match in _TOKEN.finditer(text) if not match[1] and not source.get(match[2])})
