"""How upstream prints the values that some of its error texts hold: as JSON of its internal types.

Those types have other field names and orders than the wire and show zero values; `internal.types` holds them as
facts. Only pods and what hangs on them are needed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

_ZEROS: dict[str, Any] = {"s": "", "b": False, "i": 0, "q": "0", "{}": None, "[]": None, "*": None}
_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_META = ("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")
_META_REST = (
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
)


@dataclass(frozen=True, slots=True)
class _Row:
    go_name: str
    name: str
    code: str


def dump(value: Any) -> str:
    """Compact JSON as Go writes it: `<`, `>` and `&` escaped, map keys sorted by the caller."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_HTML)


def internal_json(type_name: str, value: Mapping[str, Any] | None, spec: Mapping[str, Any] | None = None) -> Any:
    """The internal form of a wire value as ordered dicts; `spec` is the pod spec a security context belongs to."""
    if value is None:
        return None
    out: dict[str, Any] = {}
    for row in _types()[type_name]:
        if row.code == "+":
            out.update(_metadata(value) if row.name == "ObjectMeta" else internal_json(row.name, value, spec))
            continue
        holder = spec if row.name.startswith("^") else value
        inner_spec = value if type_name == "PodSpec" else spec
        out[row.go_name] = _convert(row.code, (holder or {}).get(row.name.lstrip("^")), inner_spec)
    return out


def _convert(code: str, value: Any, spec: Mapping[str, Any] | None) -> Any:
    if code in _ZEROS:
        if value is None:
            return _ZEROS[code]
        return _sorted(value) if isinstance(value, (dict, list)) else value
    if code.startswith("[]"):
        return None if value is None else [internal_json(code[2:], item, spec) for item in value]
    if code.startswith("*"):
        return internal_json(code[1:], value, spec)
    return internal_json(code, value or {}, spec)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    """Object metadata keeps its wire names, in the order of its Go type, zero values left out."""
    metadata = value.get("metadata") or {}
    return {key: _sorted(metadata[key]) for key in (*_META, *_META_REST) if metadata.get(key) not in (None, "", {}, [])}


def diff_specs(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The unified diff of two pod specs that upstream adds to a refused update."""
    return diff_values("PodSpec", old, new)


def diff_values(type_name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The unified diff of two values, three lines of context around each change."""
    shown = (json.dumps(internal_json(type_name, value), ensure_ascii=False, indent=1) for value in (old, new))
    lines = [text.translate(_HTML).split("\n") for text in shown]
    first, second = ([f"{line}\n" for line in part] for part in lines)
    matcher = difflib.SequenceMatcher(None, first, second)
    out: list[str] = []
    for group in matcher.get_grouped_opcodes(3):
        out.append(f"@@ -{_range(group[0][1], group[-1][2])} +{_range(group[0][3], group[-1][4])} @@\n")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                out += (f" {line}" for line in first[i1:i2])
                continue
            out += (f"-{line}" for line in first[i1:i2])
            out += (f"+{line}" for line in second[j1:j2])
    return "".join(out)


def _range(start: int, stop: int) -> str:
    """A range of a unified diff's header."""
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


@lru_cache(maxsize=1)
def _types() -> dict[str, list[_Row]]:
    out: dict[str, list[_Row]] = {}
    current: list[_Row] = []
    for line in resources.files(__package__).joinpath("internal.types").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        words = line.split()
        if not line.startswith(" "):
            current = out[words.pop(0)] = []
        current += map(_parse_word, words)
    return out


def _parse_word(word: str) -> _Row:
    if word.startswith("+"):
        return _Row("", word[1:], "+")
    named, _, code = word.partition(":")
    go_name, _, name = named.partition("=")
    return _Row(go_name, name or go_name[0].lower() + go_name[1:], code)
