"""Whether a custom object fits its type, in upstream's words.

Walks the schema as kube-openapi's validators do: type, combinations (allOf, anyOf, oneOf, not), string, number,
list, enum, object. On update, what did not change is not judged again (CRD ratcheting).
Source: kube-openapi `validation/validate` and `validation/errors`, apiextensions `apiserver/validation`, 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors, gotext
from podsysctl.objects.patch import comparison
from podsysctl.objects.patch.typed import ABSENT
from podsysctl.objects.quote import quote
from podsysctl.objects.schema import Schema
from podsysctl.objects.structural import embedded, formats, listtypes, regular

_Raw = Mapping[str, Any]

_INT_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_FLOAT32_MAX = 3.4028234663852886e38


@dataclass(slots=True)
class _Result:
    """Errors of one branch, and how many checks it went through, which ranks branches of anyOf and oneOf."""

    errors: list[FieldError] = field(default_factory=list)
    matches: int = 0

    def add(self, error: FieldError) -> None:
        if error not in self.errors:
            self.errors.append(error)

    def merge(self, other: _Result) -> None:
        for error in other.errors:
            self.add(error)
        self.matches += other.matches


def validate(obj: Mapping[str, Any], schema: Schema, old: Mapping[str, Any] | None = None) -> list[FieldError]:
    """What is wrong with an object: its schema, embedded resources, and sets and maps with duplicates.

    `old` is the stored object on update. Metadata of the root is not judged here.
    """
    before: Any = ABSENT if old is None else old
    errors = _check(dict(obj), schema.raw or {}, "", before).errors
    errors += embedded.problems(dict(obj), schema)
    if old is None or not listtypes.problems(dict(old), schema):
        errors += listtypes.problems(dict(obj), schema)
    return errors


def check_value(value: Any, raw: _Raw, path: str) -> list[FieldError]:
    """What is wrong with one value under one schema node, such as a default; errors start at `path`."""
    return [FieldError(error.type, _moved(error.path, path), error.body) for error in _check(value, raw, "").errors]


def _moved(path: str, base: str) -> str:
    if path == "<nil>":
        return base
    return f"{base}{path}" if path.startswith("[") else f"{base}.{path}"


def _check(value: Any, raw: _Raw, path: str, old: Any = ABSENT) -> _Result:
    result = _Result()
    if old is not ABSENT and comparison.same(value, old):
        return result
    _check_type(value, raw, path, result)
    if value is None:
        _check_enum(value, raw, path, result)
        return result
    _check_combinations(value, raw, path, result)
    if isinstance(value, str):
        _check_string(value, raw, path, result)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(value, raw, path, result)
    elif isinstance(value, list):
        _check_list(value, raw, path, old, result)
    _check_enum(value, raw, path, result)
    if isinstance(value, dict):
        _check_object(value, raw, path, old, result)
    result.matches += 1
    return result


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names.get(type(value), "null")


def _types(raw: _Raw) -> list[str]:
    if raw.get("x-kubernetes-int-or-string") is True:
        return ["integer", "string"]
    kind = raw.get("type") or ""
    return [kind] if kind else []


def _check_type(value: Any, raw: _Raw, path: str, result: _Result) -> None:
    wanted = _types(raw)
    if not wanted:
        return
    result.matches += 1
    actual = _json_type(value)
    if value is None:
        if not raw.get("nullable"):
            result.add(_wrong_type(path, wanted, actual))
        return
    fits = (
        actual in wanted
        or (actual == "integer" and "number" in wanted)
        or (actual == "number" and "integer" in wanted and float(value).is_integer())
    )
    if not fits:
        result.add(_wrong_type(path, wanted, actual))


def _wrong_type(path: str, wanted: Iterable[str], actual: str) -> FieldError:
    text = f"{path} in body must be of type {','.join(wanted)}: {quote(actual)}"
    return fielderrors.type_invalid(_named(path), actual, text)


def _named(path: str) -> str:
    """A path as the root of an error: upstream prints the empty one so."""
    return path.removeprefix(".") or "<nil>"


def _invalid(path: str, value: Any, text: str) -> FieldError:
    return fielderrors.invalid(_named(path), value, f"{path} in body {text}")


def _composite(text: str) -> FieldError:
    return fielderrors.invalid("<nil>", "", text)


def _check_combinations(value: Any, raw: _Raw, path: str, result: _Result) -> None:
    if any_of := raw.get("anyOf"):
        _check_any_of(value, any_of, path, result)
    if one_of := raw.get("oneOf"):
        _check_one_of(value, one_of, path, result)
    if all_of := raw.get("allOf"):
        valid = 0
        for branch in all_of:
            outcome = _check(value, branch, path)
            valid += not outcome.errors
            result.merge(outcome)
        if valid != len(all_of):
            none = "" if valid else ". None validated"
            result.add(_composite(f"{quote(path)} must validate all the schemas (allOf){none}"))
    negated = raw.get("not")
    if negated is not None and not _check(value, negated, path).errors:
        result.add(_composite(f"{quote(path)} must not validate the schema (not)"))
    result.matches += 1


def _check_any_of(value: Any, branches: Iterable[_Raw], path: str, result: _Result) -> None:
    best: _Result | None = None
    for branch in branches:
        outcome = _check(value, branch, path)
        if not outcome.errors:
            result.merge(outcome)
            return
        if best is None or outcome.matches > best.matches:
            best = outcome
    result.add(_composite(f"{quote(path)} must validate at least one schema (anyOf)"))
    if best is not None:
        result.merge(best)


def _check_one_of(value: Any, branches: Iterable[_Raw], path: str, result: _Result) -> None:
    best: _Result | None = None
    valid: list[_Result] = []
    for branch in branches:
        outcome = _check(value, branch, path)
        if not outcome.errors:
            valid.append(outcome)
        elif not valid and (best is None or outcome.matches > best.matches):
            best = outcome
    if len(valid) == 1:
        result.merge(valid[0])
        return
    found = f"Found {len(valid)} valid alternatives" if valid else "Found none valid"
    result.add(_composite(f"{quote(path)} must validate one and only one schema (oneOf). {found}"))
    if best is not None and not valid:
        result.merge(best)


def _check_string(value: str, raw: _Raw, path: str, result: _Result) -> None:
    """The first of length, pattern and format that does not hold."""
    longest, shortest, pattern = raw.get("maxLength"), raw.get("minLength"), raw.get("pattern")
    if longest is not None and len(value) > longest:
        result.add(fielderrors.too_long(_named(path), int(longest)))
    elif shortest is not None and len(value) < shortest:
        result.add(_invalid(path, value, f"should be at least {int(shortest)} chars long"))
    elif pattern and not regular.matches(pattern, value):
        result.add(_invalid(path, value, f"should match '{pattern}'"))
    name = raw.get("format") or ""
    kind = raw.get("type") or ""
    if name and kind in ("", "string") and formats.is_known(name) and not formats.matches(name, value):
        text = f"{path} in body must be of type {name}: {quote(value)}"
        result.add(fielderrors.type_invalid(_named(path), value, text))
    result.matches += 1


def _check_number(value: int | float, raw: _Raw, path: str, result: _Result) -> None:
    kind, name = raw.get("type") or "", raw.get("format") or ""
    if kind == "integer":
        low, high = _INT_RANGES["int32" if name == "int32" else "int64"]
        if not low <= value <= high:
            result.add(_out_of_range(path, "integer", name if name in _INT_RANGES else ""))
    elif kind == "number" and name == "float" and abs(value) > _FLOAT32_MAX:
        result.add(_out_of_range(path, "number", "float"))
    factor = raw.get("multipleOf")
    if factor is not None and not _is_multiple(value, factor):
        result.add(_invalid(path, value, f"should be a multiple of {_number(factor)}"))
    highest, lowest = raw.get("maximum"), raw.get("minimum")
    if lowest is not None:
        exclusive = raw.get("exclusiveMinimum") is True
        if value < lowest or (exclusive and value == lowest):
            words = "greater than" if exclusive else "greater than or equal to"
            result.add(_invalid(path, value, f"should be {words} {_number(lowest)}"))
    if highest is not None:
        exclusive = raw.get("exclusiveMaximum") is True
        if value > highest or (exclusive and value == highest):
            words = "less than" if exclusive else "less than or equal to"
            result.add(_invalid(path, value, f"should be {words} {_number(highest)}"))
    result.matches += 1


def _number(value: Any) -> str:
    return gotext.json_text(value)


def _is_multiple(value: int | float, factor: int | float) -> bool:
    if isinstance(value, int) and float(factor).is_integer():
        return int(factor) > 0 and value % int(factor) == 0
    if factor <= 0:
        return False
    quotient = 1 / factor * value if factor < 1 else value / factor
    return abs(quotient - round(quotient)) < 1e-9


def _out_of_range(path: str, kind: str, name: str) -> FieldError:
    form = f"with format {name}" if name else "(default format)"
    return _composite(f"Checked value must be of type {kind} {form} in {path}")


def _check_enum(value: Any, raw: _Raw, path: str, result: _Result) -> None:
    allowed = raw.get("enum")
    if not allowed or any(comparison.same(value, choice) for choice in allowed):
        return
    shown = [choice if isinstance(choice, str) else gotext.json_text(choice) for choice in allowed]
    result.add(fielderrors.not_supported(_named(path), value, shown))


def _check_list(value: list[Any], raw: _Raw, path: str, old: Any, result: _Result) -> None:
    items = raw.get("items")
    if isinstance(items, Mapping):
        before = _correlated(raw, old)
        for index, item in enumerate(value):
            earlier = before.get(_list_key(item, raw), ABSENT) if before else ABSENT
            result.merge(_check(item, items, f"{path}[{index}]", earlier))
    fewest, most = raw.get("minItems"), raw.get("maxItems")
    if fewest is not None and len(value) < fewest:
        result.add(_invalid(path, len(value), f"should have at least {int(fewest)} items"))
    if most is not None and len(value) > most:
        result.add(fielderrors.too_many(_named(path), len(value), int(most)))
    result.matches += 1


def _list_key(item: Any, raw: _Raw) -> str:
    keys = raw.get("x-kubernetes-list-map-keys") or ()
    return gotext.json_text([item.get(key) for key in keys] if isinstance(item, dict) else None)


def _correlated(raw: _Raw, old: Any) -> dict[str, Any]:
    """Old items by key: only those of map lists can be told to be the same item."""
    if raw.get("x-kubernetes-list-type") != "map" or not isinstance(old, list):
        return {}
    return {_list_key(item, raw): item for item in old}


def _check_object(value: dict[str, Any], raw: _Raw, path: str, old: Any, result: _Result) -> None:
    fewest, most = raw.get("minProperties"), raw.get("maxProperties")
    if fewest is not None and len(value) < fewest:
        result.add(_invalid(path, len(value), f"should have at least {int(fewest)} properties"))
    if most is not None and len(value) > most:
        result.add(fielderrors.too_many(_named(path), len(value), int(most)))
    earlier = old if isinstance(old, Mapping) else {}
    properties = raw.get("properties") or {}
    additional = raw.get("additionalProperties")
    if isinstance(additional, Mapping):
        for key, item in value.items():
            if key not in properties:
                result.merge(_check(item, additional, f"{path}.{key}", earlier.get(key, ABSENT)))
    elif additional is False:
        for key in value:
            if key not in properties:
                text = f"{path}.{key} in body is a forbidden property"
                result.add(fielderrors.invalid(_named(path), key, text))
    for key, below in properties.items():
        if key in value:
            where = f"{path}.{key}" if path else key
            result.merge(_check(value[key], below, where, earlier.get(key, ABSENT)))
    for key in raw.get("required") or ():
        if key not in value:
            result.add(fielderrors.required(_named(f"{path}.{key}")))
