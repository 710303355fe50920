"""What a built-in object looks like after a trip through upstream's Go types, which every stored object makes.

Undeclared fields go, zero values of plain fields go, fields that JSON always shows come, quantities, times and
base64 are written canonically. Error texts are made elsewhere: a value of the wrong type only raises TypeMismatch.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from podsysctl.base.errors import PodsysctlError, ValueSyntaxError
from podsysctl.objects import gotime
from podsysctl.objects.gojson import NumberText, finish_numbers
from podsysctl.objects.goshape import ABSENT, TYPED_INSIDE, GoField, struct_of
from podsysctl.objects.quantity import parse_quantity
from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Schema, builtin

_JSON_SCHEMA = "apiextensions/v1.JSONSchemaProps"


class TypeMismatch(PodsysctlError):
    """A value is not of its field's type; `decode` finds out which one and what to say."""

    reason = "TypeMismatch"


class Canonicaliser:
    """One trip; `dropped` tells afterwards whether an undeclared field was left out.

    Where a method takes `known`, that is a value of the same type after its own trip: parts of it that stand in their
    old place, the very same objects, are taken over as they are. Numbers with a fraction may come as NumberText, since
    a quantity is read from the text as it was written.
    """

    def __init__(self) -> None:
        self.dropped = False

    def root(self, value: Any, schema: Schema, known: Any = None) -> dict[str, Any]:
        """A whole object, whose `apiVersion` and `kind` are kept. Raises TypeMismatch."""
        if type(value) is not dict:
            raise TypeMismatch("an object is expected")
        head = {}
        for key in ("kind", "apiVersion"):
            text = value.get(key)
            if text is not None and type(text) is not str:
                raise TypeMismatch(f"{key} is not text")
            if text:
                head[key] = text
        rest = {k: v for k, v in value.items() if k not in ("kind", "apiVersion")}
        head.update(self._object(rest, schema, known))
        return head

    def value(self, value: Any, schema: Schema, known: Any = None) -> Any:
        """One value that is not null, canonical. Raises TypeMismatch."""
        kind = schema.kind
        if kind == OBJECT:
            return self._object(value, schema, known)
        if kind == LIST:
            return self._list(value, schema, known)
        if kind == MAP:
            return self._map(value, schema)
        if kind == ANY:
            return self._any(value, schema)
        return _SCALARS[kind](value)

    def _object(self, value: Any, schema: Schema, known: Any = None) -> dict[str, Any]:
        if type(value) is not dict:
            raise TypeMismatch(f"{schema.go_name} is not an object")
        before = known if type(known) is dict else {}
        struct = struct_of(schema)
        fields = struct.fields
        out: dict[str, Any] = {}
        for key, item in value.items():
            was = before.get(key)
            if item is was and was is not None:
                out[key] = item
                continue
            field = fields.get(key)
            if field is None:
                if key in ("kind", "apiVersion") and schema.type_name in TYPED_INSIDE and item is not None:
                    out[key] = _text(item)
                else:
                    self.dropped = True
                continue
            written = self._field(item, field, was)
            if written is not ABSENT:
                out[key] = written
        for field in struct.always:
            if field.name not in out:
                out[field.name] = self._object({}, field.schema) if field.zero == {} else field.zero
        return out

    def _field(self, item: Any, field: GoField, known: Any = None) -> Any:
        """What a field shows of a value that is there, perhaps null; ABSENT when nothing."""
        schema = field.schema
        if item is None:
            return ABSENT
        written = self.value(item, schema, known)
        if field.is_pointer:
            return written if written is not None else ABSENT
        if schema.kind in (LIST, MAP):
            return written if written or field.zero is None else ABSENT
        if schema.kind in (OBJECT, ANY):
            return written
        if field.zero is ABSENT and not written:
            return ABSENT
        return written

    def _list(self, value: Any, schema: Schema, known: Any = None) -> list[Any]:
        if type(value) is not list or schema.item is None:
            raise TypeMismatch("a list is expected")
        item = schema.item
        if item.kind == "string":
            for entry in value:
                if type(entry) is not str and entry is not None:
                    raise TypeMismatch("a text is expected")
            return [entry or "" for entry in value] if None in value else value
        same = set(map(id, known)) if type(known) is list and item.kind == OBJECT else ()
        return [entry if id(entry) in same else self._element(entry, item) for entry in value]

    def _map(self, value: Any, schema: Schema) -> dict[str, Any]:
        if type(value) is not dict or schema.item is None:
            raise TypeMismatch("a map is expected")
        item = schema.item
        return {key: self._element(entry, item) for key, entry in value.items()}

    def _element(self, entry: Any, item: Schema) -> Any:
        """An element of a list or map: null is the element type's zero value."""
        if entry is not None:
            return self.value(entry, item)
        if item.kind == OBJECT:
            return self._object({}, item)
        return _ZERO_ELEMENTS.get(item.kind)

    def _any(self, value: Any, schema: Schema) -> Any:
        name = schema.type_name
        if name == "SchemaOrArray" and type(value) is list:
            return [self._nested_schema(item) for item in value]
        if name in ("SchemaOrArray", "SchemaOrBool", "SchemaOrStringArray") and type(value) is dict:
            return self._nested_schema(value)
        if name == "SchemaOrArray" or (name == "SchemaOrBool" and type(value) is not bool):
            raise TypeMismatch("a JSON schema is expected")
        return finish_numbers(value)

    def _nested_schema(self, value: Any) -> Any:
        """Schemas below `items` and the like are decoded on their own: their undeclared fields go unreported."""
        return Canonicaliser()._object(value, builtin(_JSON_SCHEMA))


def canonical(value: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """A whole built-in object after the trip. Raises TypeMismatch."""
    return Canonicaliser().root(value, schema)


def _text(value: Any) -> Any:
    if type(value) is not str:
        raise TypeMismatch("a text is expected")
    return value


def _bool(value: Any) -> Any:
    if type(value) is not bool:
        raise TypeMismatch("true or false is expected")
    return value


def _integer(bits: int) -> Callable[[Any], Any]:
    lowest, highest = -(1 << bits - 1), (1 << bits - 1) - 1

    def check(value: Any) -> Any:
        if type(value) is not int or not lowest <= value <= highest:
            raise TypeMismatch(f"a whole number of {bits} bits is expected")
        return value

    return check


def _double(value: Any) -> Any:
    if type(value) not in (int, float, NumberText):
        raise TypeMismatch("a number is expected")
    return float(value) if type(value) is NumberText else value


def decode_base64(text: str) -> bytes:
    """Standard base64 with padding, line breaks ignored, as Go reads it. Raises TypeMismatch."""
    clean = text.replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(clean, validate=True)
    except (binascii.Error, ValueError) as error:
        raise TypeMismatch("base64 is expected") from error


def _bytes(value: Any) -> Any:
    return base64.b64encode(decode_base64(_text(value))).decode()


def _translated(convert: Callable[[str], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        try:
            return convert(_text(value))
        except ValueSyntaxError as error:
            raise TypeMismatch(error.message) from error

    return check


def _quantity(value: Any) -> Any:
    if type(value) is int:
        value = str(value)
    elif not isinstance(value, str):
        raise TypeMismatch("a quantity is expected")
    try:
        return parse_quantity(value.strip()).text
    except ValueSyntaxError as error:
        raise TypeMismatch(error.message) from error


def _int_or_string(value: Any) -> Any:
    return value if type(value) is str else _integer(32)(value)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "bool": _bool,
    "int32": _integer(32),
    "int64": _integer(64),
    "double": _double,
    "bytes": _bytes,
    "Time": _translated(gotime.canonical),
    "MicroTime": _translated(gotime.canonical_micro),
    "Duration": _translated(lambda text: gotime.format_duration(gotime.parse_duration(text))),
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
}

_ZERO_ELEMENTS: dict[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0, "Quantity": "0"}
