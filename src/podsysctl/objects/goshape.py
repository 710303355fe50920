"""How the Go types behind the wire hold each field: what upstream prints, keeps and leaves out follows from it.

Error texts name Go types (`[]v1.Container`), and a stored object is what is left after a trip through those
types: zero values of plain fields vanish, pointers keep them. `gotypes.types` holds the exceptions as facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Field, Schema

_SCALAR_TYPES = {
    "string": "string",
    "bool": "bool",
    "int32": "int32",
    "int64": "int64",
    "double": "float64",
    "bytes": "[]uint8",
    "Time": "*v1.Time",
    "MicroTime": "*v1.MicroTime",
    "Duration": "*v1.Duration",
    "Quantity": "*resource.Quantity",
    "IntOrString": "*intstr.IntOrString",
    "RawExtension": "runtime.RawExtension",
    "FieldsV1": "*v1.FieldsV1",
    "JSON": "*v1.JSON",
    "SchemaOrArray": "*v1.JSONSchemaPropsOrArray",
    "SchemaOrBool": "*v1.JSONSchemaPropsOrBool",
    "SchemaOrStringArray": "v1.JSONSchemaPropsOrStringArray",
}

_ZEROS: dict[str, Any] = {
    "string": "",
    "bool": False,
    "int32": 0,
    "int64": 0,
    "double": 0,
    "bytes": None,
    "Time": None,
    "MicroTime": None,
    "Duration": "0s",
    "Quantity": "0",
    "IntOrString": 0,
}

TYPED_INSIDE = frozenset({"core/v1.PersistentVolumeClaim"})
"""Kinds that stand inside other objects with an `apiVersion` and `kind` of their own."""

ABSENT = object()
"""The mark of a value that JSON leaves out."""


@dataclass(frozen=True, slots=True)
class GoField:
    """One field of a Go struct.

    `embedded` names the embedded structs on the way to it, which appear in the path of type errors. `go_type`
    is the type without its pointer. `zero` is what JSON shows of the zero value, or ABSENT when it shows nothing.
    """

    name: str
    schema: Schema
    embedded: tuple[str, ...]
    go_type: str
    is_pointer: bool
    zero: Any


@dataclass(frozen=True, slots=True)
class GoStruct:
    """The fields of one type by JSON name, and those that JSON shows even when nobody set them."""

    name: str
    fields: dict[str, GoField]
    always: tuple[GoField, ...]


_structs: dict[str, GoStruct] = {}


def struct_of(schema: Schema) -> GoStruct:
    """The struct behind a built-in object type. Built once for each type."""
    known = _structs.get(schema.type_name)
    if known is None:
        fields: dict[str, GoField] = {}
        _collect(schema, (), fields)
        always = tuple(f for f in fields.values() if f.zero is not ABSENT)
        known = _structs[schema.type_name] = GoStruct(f"v1.{schema.go_name}", fields, always)
    return known


def type_of(schema: Schema) -> str:
    """The Go type of a value, without pointer: `v1.PodSpec`, `[]string`, `map[string]string`."""
    if schema.kind == OBJECT:
        return f"v1.{schema.go_name}"
    if schema.kind == LIST and schema.item is not None:
        return f"[]{type_of(schema.item)}"
    if schema.kind == MAP and schema.item is not None:
        return f"map[string]{type_of(schema.item)}"
    return _SCALAR_TYPES[schema.type_name].lstrip("*")


def element_type(go_type: str, item: Schema) -> str:
    """The Go type of an element of a list or map of type `go_type`."""
    if go_type.startswith("[]"):
        return go_type[2:]
    if go_type.startswith("map["):
        return go_type.partition("]")[2]
    return type_of(item)


def _collect(schema: Schema, embedded: tuple[str, ...], out: dict[str, GoField]) -> None:
    facts = _facts().get(schema.type_name, {})
    for field in schema.wire_fields:
        if field.inline:
            _collect(field.schema, (*embedded, field.schema.go_name), out)
        else:
            out[field.name] = _field(field, embedded, facts.get(field.name, ""))


def _field(field: Field, embedded: tuple[str, ...], fact: str) -> GoField:
    schema = field.schema
    always_written = fact.endswith("!")
    omit_zero = fact.endswith("~")
    text = fact.rstrip("!~")
    if not text:
        text = f"*v1.{schema.go_name}" if schema.kind == OBJECT else type_of(schema)
        if schema.kind not in (OBJECT, LIST, MAP) and _SCALAR_TYPES[schema.type_name].startswith("*"):
            text = f"*{text}"
    is_pointer = text.startswith("*")
    zero: Any = ABSENT
    if is_pointer or schema.kind in (LIST, MAP, ANY):
        zero = None if always_written else ABSENT
    elif schema.kind == OBJECT:
        zero = ABSENT if omit_zero else {}
    elif schema.kind in ("Time", "MicroTime", "Quantity", "IntOrString", "Duration"):
        zero = ABSENT if omit_zero else _ZEROS[schema.kind]
    elif always_written:
        zero = _ZEROS[schema.kind]
    return GoField(field.name, schema, embedded, text.lstrip("*"), is_pointer, zero)


@lru_cache(maxsize=1)
def _facts() -> dict[str, dict[str, str]]:
    out: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in resources.files(__package__).joinpath("gotypes.types").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        words = line.split()
        if not line.startswith(" "):
            current = out[words.pop(0)] = {}
        current.update(word.partition("=")[::2] for word in words)
    return out


def fact_rows() -> dict[str, dict[str, str]]:
    """The rows of `gotypes.types`, for tests and reference pages."""
    return _facts()
