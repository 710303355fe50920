"""A value together with its type: what server-side apply needs to know of both.

Path elements of list items, whether a node is one unit, conformance with the type (upstream's typed-patch
errors) and the set of all paths of a value. Source: structured-merge-diff v6 `typed`, kube-openapi
`schemaconv`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from podsysctl.objects import gotext
from podsysctl.objects.patch import fieldset
from podsysctl.objects.quote import quote
from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Schema

Problem = tuple[str, str]
"""A path such as `.spec.foo` and what is wrong there."""

ABSENT: Any = type("Absent", (), {"__repr__": lambda _self: "ABSENT", "__bool__": lambda _self: False})()
"""Stands for a field that is not there at all, which null is not."""

_ANYTHING = Schema(ANY, preserve_unknown=True)
_STRING = Schema("string", type_name="string")
_NUMBERS = frozenset({"int32", "int64", "double"})
_TEXTS = frozenset({"string", "bytes", "Duration"})


class ElementError(Exception):
    """A list element that has no identity of its own."""


def is_container(value: Any) -> bool:
    """Whether it is a map or a list."""
    kind = type(value)
    return kind is dict or kind is list


def child_schema(schema: Schema, name: str) -> Schema | None:
    """The type of a field or map value; None when an object does not declare it and takes no others."""
    if schema.kind == OBJECT:
        declared = schema.fields.get(name)
        if declared is not None:
            return declared.schema
        if schema.item is not None:
            return schema.item
        if name in ("apiVersion", "kind") and _has_type_meta(schema):
            return _STRING
        return _ANYTHING if schema.preserve_unknown or not schema.fields else None
    if schema.kind == MAP:
        return schema.item or _ANYTHING
    return schema


def _has_type_meta(schema: Schema) -> bool:
    """Whether a type names its own version and kind, which the schema files leave out."""
    return "metadata" in schema.fields and not schema.go_name.endswith("TemplateSpec")


def is_unit(schema: Schema, value: Any) -> bool:
    """Whether the value is owned as a whole: scalars, atomic lists and maps."""
    if isinstance(value, dict):
        return schema.map_atomic or schema.type_name == "RawExtension"
    if isinstance(value, list):
        return schema.kind != LIST or schema.list_type == "atomic"
    return True


def is_map_type(schema: Schema) -> bool:
    """Whether values of this type are maps."""
    return schema.kind in (OBJECT, MAP)


def element(schema: Schema, item: Any) -> str:
    """The path element of an item of a set or map list. Raises ElementError with upstream's text."""
    if not schema.list_keys:
        if isinstance(item, dict):
            raise ElementError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise ElementError("not supported: associative list with lists as elements")
        if item is None:
            raise ElementError("associative list without keys has an element that's an explicit null")
        return f"v:{gotext.json_text(item)}"
    if item is None:
        raise ElementError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise ElementError("associative list with keys may not have non-map elements")
    keys: dict[str, Any] = {}
    for name in schema.list_keys:
        if name in item:
            keys[name] = item[name]
        else:
            default = _key_default(schema, name)
            if default is not None:
                keys[name] = default
    if not keys:
        listed = " ".join(map(quote, schema.list_keys))
        raise ElementError(
            f"associative list with keys has an element that omits all key fields [{listed}] "
            "(and doesn't have default values for any key fields)"
        )
    pairs = [part for name in sorted(keys) for part in (name, keys[name])]
    if any(map(is_container, pairs)):
        return f"k:{gotext.json_text(keys)}"
    return _key_element(*pairs)


@lru_cache(maxsize=8192, typed=True)
def _key_element(*pairs: Any) -> str:
    return f"k:{gotext.json_text(dict(zip(pairs[::2], pairs[1::2], strict=True)))}"


def _key_default(schema: Schema, name: str) -> Any:
    declared = schema.item.fields.get(name) if schema.item is not None else None
    if declared is None:
        return None
    if declared.default is not None:
        return declared.default
    if declared.schema.raw is None:  # a Go struct always has its zero value
        return "" if declared.schema.kind in _TEXTS else 0 if declared.schema.kind in _NUMBERS else None
    return declared.schema.raw.get("default")


def problems(value: Any, schema: Schema, *, allow_duplicates: bool = False) -> list[Problem]:
    """Where the value does not conform to its type, in upstream's words."""
    return list(_problems(value, schema, "", allow_duplicates))


def _problems(value: Any, schema: Schema, path: str, duplicates: bool) -> Iterator[Problem]:
    if value is None or schema.kind == ANY:
        return
    if is_map_type(schema):
        if not isinstance(value, dict):
            yield path, f"expected map, got &{{{go_value(value)}}}"
            return
        for key, item in value.items():
            below = child_schema(schema, key)
            if below is None:
                yield f"{path}.{key}", "field not declared in schema"
                return
            yield from _problems(item, below, f"{path}.{key}", duplicates)
    elif schema.kind == LIST:
        yield from _list_problems(value, schema, path, duplicates)
    else:
        yield from _scalar_problems(value, schema, path)


def _list_problems(value: Any, schema: Schema, path: str, duplicates: bool) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield path, f"expected list, got &{{{go_value(value)}}}"
        return
    seen = set()
    for index, item in enumerate(value):
        if schema.list_type == "atomic":
            at = f"i:{index}"
        else:
            try:
                at = element(schema, item)
            except ElementError as error:
                yield path, f"element {index}: {error}"
                return
            if at in seen and not duplicates:
                yield path, f"duplicate entries for key {fieldset.element_text(at)}"
            seen.add(at)
        yield from _problems(item, schema.item or _ANYTHING, path + fieldset.element_text(at), duplicates)


def _scalar_problems(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if schema.kind in _NUMBERS:
        if not number:
            yield path, f"expected numeric (int or float), got {_go_type(value)}"
    elif schema.kind == "bool":
        if not isinstance(value, bool):
            yield path, f"expected boolean, got &{{{go_value(value)}}}"
    elif schema.kind in _TEXTS and (schema.raw or {}).get("format") in (None, "", "byte"):
        if not isinstance(value, str):
            yield path, f"expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}"
    elif is_container(value):
        yield path, f"expected any scalar, got &{{{go_value(value)}}}"


def problems_text(found: list[Problem]) -> str:
    """Several problems as upstream joins them."""
    texts = [f"{path}: {text}" if path else text for path, text in found]
    return texts[0] if len(texts) == 1 else "\n  ".join(["errors:", *texts])


def _go_type(value: Any) -> str:
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return {str: "string", bool: "bool", int: "int64", float: "float64"}.get(type(value), "<nil>")


def go_value(value: Any) -> str:
    """Go's `%v`: maps as `map[a:1]`, lists as `[1 2]`."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_value(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_value, value)) + "]"
    if value is None:
        return "<nil>"
    return value if isinstance(value, str) else gotext.json_text(value)


def go_syntax(value: Any) -> str:
    """Go's `%#v`."""
    if isinstance(value, dict):
        inner = ", ".join(f"{quote(key)}:{go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"
    if value is None:
        return "interface {}(nil)"
    return quote(value) if isinstance(value, str) else gotext.json_text(value)


def field_set(value: Any, schema: Schema) -> fieldset.Node:
    """The set of all paths that a value mentions."""
    root: fieldset.Node = {}
    _collect(value, schema, root)
    return root


def _collect(value: Any, schema: Schema, node: fieldset.Node) -> bool:
    """Fill the node of a value; True when the path of the value itself belongs to the set."""
    if isinstance(value, dict) and not is_unit(schema, value):
        _collect_map(value, schema, node)
        return False
    if isinstance(value, list) and not is_unit(schema, value):
        _collect_list(value, schema, node)
        return False
    # a missing map or list is no leaf of its own; every other null is
    return not (value is None and (is_map_type(schema) or schema.kind == LIST) and not _null_unit(schema))


def _null_unit(schema: Schema) -> bool:
    return schema.map_atomic or (schema.kind == LIST and schema.list_type == "atomic")


def _collect_map(value: dict[str, Any], schema: Schema, node: fieldset.Node) -> None:
    for key, item in value.items():
        below = child_schema(schema, key) or _ANYTHING
        child: fieldset.Node = {}
        member = _collect(item, below, child)
        member = member or item is None or item == {}
        if schema.kind != OBJECT or key not in schema.fields:
            member = True
        _place(node, f"f:{key}", child, member)


def _collect_list(value: list[Any], schema: Schema, node: fieldset.Node) -> None:
    elements = [element(schema, item) for item in value]
    times = Counter(elements)
    for at, item in zip(elements, value, strict=True):
        child: fieldset.Node = {}
        if times[at] == 1:
            _collect(item, schema.item or _ANYTHING, child)
        _place(node, at, child, member=True)


def _place(node: fieldset.Node, key: str, child: fieldset.Node, member: bool) -> None:
    if child and member:
        child[fieldset.MEMBER] = {}
    if child or member:
        node[key] = child
