"""Which names a pattern means: the two pattern languages of this program's own commands.

A trailing-star prefix (kubelet, SCC) and a shell pattern over the parts (sysctl.d). Upstream's verdicts on
its own allowlists are `policy`'s business; here a pattern only selects.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from podsysctl.base.errors import NameSyntaxError
from podsysctl.sysctls.name import SysctlName, first_separator

_WILDCARDS = "*?["
_POSIX_CLASS = re.compile(r"\[:([a-z]+):\]")
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "digit": "0-9", "lower": "a-z", "space": r"\s",
    "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
"""Of regex(7), inside a bracket, which Python's expressions do not have."""


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A selection of names: `text` as written, `regex` over the slashed spelling."""

    text: str
    regex: re.Pattern[str]

    def matches(self, name: SysctlName) -> bool:
        """Is this name selected?"""
        return self.regex.fullmatch(name.slashed) is not None


def is_pattern(text: str) -> bool:
    """Does the text hold a wildcard?"""
    return any(character in _WILDCARDS for character in text)


def parse_pattern(text: str) -> NamePattern:
    """Read a pattern: `*` is any run inside one part, a final `*` also crosses parts, `?` and `[...]` as in
    a shell.

    `net.ipv4.*` therefore selects everything below net.ipv4, as a kubelet pattern does, and
    `net.ipv4.conf.*.rp_filter` one setting of every interface, as sysctl.d(5) does. Raises NameSyntaxError.

    >>> from podsysctl.sysctls.name import parse_name
    >>> parse_pattern("net.ipv4.conf.*.rp_filter").matches(parse_name("net.ipv4.conf.eth0/100.rp_filter"))
    True
    >>> parse_pattern("kernel.shm*").matches(parse_name("kernel.shmmax"))
    True
    """
    if not text or any(character.isspace() or character == "\0" for character in text):
        raise NameSyntaxError(f"pattern {text!r} is empty or holds white space")
    slashed = text if first_separator(text) == "/" else text.translate(str.maketrans("./", "/."))
    out: list[str] = []
    index = 0
    while index < len(slashed):
        character = slashed[index]
        if character == "*":
            out.append(".*" if index == len(slashed) - 1 else "[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "[":
            piece, index = _character_class(slashed, index, text)
            out.append(piece)
        else:
            out.append(re.escape(character))
        index += 1
    try:
        return NamePattern(text, re.compile("".join(out)))
    except re.error as error:
        raise NameSyntaxError(f"pattern {text!r}: {error}") from error


def parse_regex(text: str) -> NamePattern:
    """Read an extended regular expression over the dotted spelling, searched anywhere, as `sysctl -r` does.

    Raises NameSyntaxError when it is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of brackets in brackets, which mean themselves there
            searched = re.compile(_POSIX_CLASS.sub(lambda found: _CLASSES.get(found[1], found[0]), text))
    except (re.error, RecursionError, OverflowError) as error:
        raise NameSyntaxError(f"regular expression {text!r}: {error}") from error
    return _Searched(text, searched)


@dataclass(frozen=True, slots=True)
class _Searched(NamePattern):
    def matches(self, name: SysctlName) -> bool:
        """Does the expression occur in the name?"""
        return self.regex.search(name.dotted) is not None


def _character_class(slashed: str, start: int, text: str) -> tuple[str, int]:
    end = slashed.find("]", start + 2)
    if end < 0:
        raise NameSyntaxError(f"pattern {text!r} opens a bracket that it does not close")
    body = slashed[start + 1 : end]
    negated = body.startswith("!") or body.startswith("^")
    inner = body[1:] if negated else body
    if not inner:
        raise NameSyntaxError(f"pattern {text!r} has an empty bracket")
    escaped = (
        inner.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("&", "\\&").replace("~", "\\~")
    )
    escaped = escaped.replace("|", "\\|").replace("^", "\\^").replace("--", "\\-\\-")
    return f"[{'^' if negated else ''}{escaped}]", end
