"""Objects as YAML, as kubectl prints it: sorted keys, go-yaml's quoting, literal blocks for several lines.

libyaml and go-yaml share their emitter, so only the choice of style is ours (sigs.k8s.io/yaml
goyaml.v2/encode.go and resolve.go, v1.6).
"""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import Any

import yaml

_WORDS = frozenset(
    word
    for lower in ("y", "yes", "true", "on", "n", "no", "false", "off", "null")
    for word in (lower, lower.capitalize(), lower.upper())
) | {"", "~", ".nan", ".NaN", ".NAN", *(s + i for s in ("", "+", "-") for i in (".inf", ".Inf", ".INF"))}
_NUMBER = re.compile(
    r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|\.[0-9]+([eE][-+]?[0-9]+)?|[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?)"
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ]\s*\d{1,2}:\d{1,2}:\d{1,2}(\.\d*)?\s*(Z|[-+]\d{1,2}(:\d{2})?)?)?")


def needs_quotes(text: str) -> bool:
    """Whether the bare text would be read as something other than a string.

    >>> [needs_quotes(t) for t in ("web", "1", "yes", "2026-01-02T03:04:05Z", "1:30", "", "v1")]
    [False, True, True, True, True, True, False]
    """
    return bool(
        text in _WORDS or _NUMBER.fullmatch(text.replace("_", "")) or _BASE_60.fullmatch(text) or _DATE.fullmatch(text)
    )


def _compare_keys(a: str, b: str) -> int:
    """go-yaml's order of keys: letters last, digits as numbers."""
    for i in range(min(len(a), len(b))):
        if a[i] == b[i]:
            continue
        if a[i].isalpha() or b[i].isalpha():
            if a[i].isalpha() and b[i].isalpha():
                return -1 if a[i] < b[i] else 1
            return -1 if b[i].isalpha() else 1
        digits_a, digits_b = _digits(a, i), _digits(b, i)
        if "0" in (a[i], b[i]) and re.search(r"[1-9]\d*$", a[:i]):
            digits_a, digits_b = "1" + digits_a, "1" + digits_b
        number_a, number_b = int(digits_a or 0), int(digits_b or 0)
        if number_a != number_b:
            return -1 if number_a < number_b else 1
        if len(digits_a) != len(digits_b):
            return -1 if len(digits_a) < len(digits_b) else 1
        return -1 if a[i] < b[i] else 1
    return len(a) - len(b)


def _digits(text: str, start: int) -> str:
    match = re.compile(r"[0-9]*").match(text, start)
    return match.group() if match else ""


_TEXT = "tag:yaml.org,2002:str"


def _dumper() -> Any:
    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def plain(dumper: Any, value: Any) -> Any:
        if value is None:
            text = "null"
        elif isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, float):
            text = f"{value:.17g}" if float(f"{value:.15g}") != value else f"{value:.15g}"
        else:
            text = str(value)
        return dumper.represent_scalar(_TEXT, text)

    def string(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else '"' if needs_quotes(value) else None
        return dumper.represent_scalar(_TEXT, value, style=style)

    def mapping(dumper: Any, value: dict[str, Any]) -> Any:
        keys = sorted(value, key=cmp_to_key(_compare_keys))
        return dumper.represent_mapping("tag:yaml.org,2002:map", [(key, value[key]) for key in keys], flow_style=False)

    for kind in (int, float, bool, type(None)):
        Dumper.add_representer(kind, plain)
    Dumper.add_representer(str, string)
    Dumper.add_representer(dict, mapping)
    return Dumper


def dump(value: Any) -> str:
    """The YAML text of a JSON value, ending with a newline."""
    return str(yaml.dump(value, Dumper=_dumper(), default_flow_style=False, allow_unicode=True, width=80))
