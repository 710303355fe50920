"""Protobuf request bodies as plain objects, by the field numbers in objects/schema.

Typed clients send some bodies as protobuf and never try again as JSON. A body is the four bytes `k8s\\0` and a message
`Unknown` {1 TypeMeta{1 apiVersion, 2 kind}, 2 the object} (apimachinery pkg/runtime/generated.proto). Fields of
numbers that are not in the schema are skipped, as every protobuf reader does. Zero values stay: `canonical` drops
them where upstream's types do.
"""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from podsysctl.base import limits
from podsysctl.base.clock import format_micro_time, format_time
from podsysctl.base.errors import PodsysctlError
from podsysctl.objects import gotime, status
from podsysctl.objects.kinds import Kind
from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Field, Schema, builtin

MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339_SECONDS = (-62135596800, 253402300799)
"""Year 1 to year 9999."""


class MessageError(PodsysctlError):
    """Bytes that are not the message they should be."""

    reason = "InvalidMessage"


def decode(body: bytes, kind: Kind) -> dict[str, Any]:
    """The object in a protobuf body. `kind` is what the request is about; the body names its own.

    Raises StatusError 400 when the bytes are no such message.
    """
    try:
        if not body.startswith(MAGIC):
            raise MessageError("provided data does not appear to be a protobuf message")
        api_version, named, raw = _envelope(memoryview(body)[len(MAGIC) :])
        out: dict[str, Any] = {"apiVersion": api_version or kind.api_version, "kind": named or kind.kind}
        if not kind.type_name:
            raise MessageError(f"{kind.qualified} has no protobuf form")
        out.update(_message(raw, builtin(kind.type_name), 0))
        return out
    except MessageError as error:
        raise status.bad_request(f"unable to decode the request as protobuf: {error.message}") from error


def _envelope(data: memoryview) -> tuple[str, str, memoryview]:
    api_version = named = ""
    raw = data[:0]
    for number, wire, value in _fields(data):
        if number == 1 and wire == _BYTES:
            for inner, _, text in _fields(value):
                if inner == 1:
                    api_version = _text(text)
                elif inner == 2:
                    named = _text(text)
        elif number == 2 and wire == _BYTES:
            raw = value
    return api_version, named, raw


def _fields(data: memoryview) -> list[tuple[int, int, Any]]:
    """Every field of a message: number, wire type, and an int or the bytes of it."""
    out: list[tuple[int, int, Any]] = []
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise MessageError("field number 0")
        if wire == _VARINT:
            value, at = _varint(data, at)
            out.append((number, wire, value))
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise MessageError(f"wire type {wire} of field {number}")
        if size > end - at:
            raise MessageError("unexpected EOF")
        out.append((number, wire, data[at : at + size]))
        at += size
    return out


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise MessageError("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise MessageError("integer overflow")


def _message(data: memoryview, schema: Schema, depth: int) -> dict[str, Any]:
    """An object of a named type."""
    if depth > limits.OBJECT_DEPTH:
        raise MessageError("exceeded max depth")
    by_number = {field.number: field for field in schema.wire_fields}
    out: dict[str, Any] = {}
    for number, wire, value in _fields(data):
        field = by_number.get(number)
        if field is None:
            continue
        node = field.schema
        if field.inline:
            out.update(_message(_bytes(value, wire), node, depth + 1))
        elif node.kind == LIST:
            out.setdefault(field.name, []).extend(_elements(value, wire, node, depth))
        elif node.kind == MAP:
            key, item = _entry(_bytes(value, wire), field, depth)
            out.setdefault(field.name, {})[key] = item
        else:
            item = _single(value, wire, node, depth)
            if item is not None:
                out[field.name] = item
    return out


def _elements(value: Any, wire: int, node: Schema, depth: int) -> list[Any]:
    """One element, or several of a packed field of numbers."""
    item = node.item
    if item is None:
        raise MessageError("list without an element type")
    if wire == _BYTES and item.kind in ("int32", "int64", "bool"):
        out, at = [], 0
        while at < len(value):
            number, at = _varint(value, at)
            out.append(_single(number, _VARINT, item, depth))
        return out
    return [_single(value, wire, item, depth)]


def _entry(data: memoryview, field: Field, depth: int) -> tuple[str, Any]:
    """A map is a list of messages {1 key, 2 value}; an absent value is the type's zero."""
    node = field.schema.item
    if node is None:
        raise MessageError("map without a value type")
    key, item = "", None
    for number, wire, value in _fields(data):
        if number == 1 and wire == _BYTES:
            key = _text(value)
        elif number == 2:
            item = _elements(value, wire, node, depth) if node.kind == LIST else _single(value, wire, node, depth)
    if item is None:
        item = "" if node.kind in ("string", "bytes") else {}
    return key, item


def _single(value: Any, wire: int, node: Schema, depth: int) -> Any:
    """One value that is neither list nor map; None for an unset time."""
    kind = node.kind
    if kind == OBJECT:
        return _message(_bytes(value, wire), node, depth + 1)
    if kind == ANY:
        return _anything(_bytes(value, wire), node)
    if kind == "string":
        return _text(_bytes(value, wire))
    if kind == "bytes":
        return base64.b64encode(_bytes(value, wire)).decode()
    if kind in ("int32", "int64"):
        return _signed(_number(value, wire))
    if kind == "bool":
        return bool(_number(value, wire))
    if kind == "double":
        if wire != _FIXED64:
            raise MessageError(f"wire type {wire} of a double")
        return struct.unpack("<d", value)[0]
    return _SPECIAL[kind](_bytes(value, wire))


def _bytes(value: Any, wire: int) -> memoryview:
    if wire != _BYTES:
        raise MessageError(f"wire type {wire} where bytes are expected")
    return value  # type: ignore[no-any-return]


def _number(value: Any, wire: int) -> int:
    if wire != _VARINT:
        raise MessageError(f"wire type {wire} where a number is expected")
    return value  # type: ignore[no-any-return]


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(value: memoryview) -> str:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError as error:
        raise MessageError("text that is not UTF-8") from error


def _moment(data: memoryview) -> datetime | None:
    """Time and MicroTime are {1 seconds, 2 nanos}; an empty message is the zero time."""
    seconds = nanos = 0
    fields = _fields(data)
    if not fields:
        return None
    for number, wire, value in fields:
        if number == 1:
            seconds = _signed(_number(value, wire))
        elif number == 2:
            nanos = _signed(_number(value, wire))
    if not _RFC3339_SECONDS[0] <= seconds <= _RFC3339_SECONDS[1]:
        raise MessageError("a time outside the years 1 to 9999")
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


def _time(data: memoryview) -> str | None:
    moment = _moment(data)
    return None if moment is None else format_time(moment)


def _micro_time(data: memoryview) -> str | None:
    moment = _moment(data)
    return None if moment is None else format_micro_time(moment)


def _quantity(data: memoryview) -> str:
    return next((_text(value) for number, wire, value in _fields(data) if (number, wire) == (1, _BYTES)), "0")


def _int_or_string(data: memoryview) -> int | str:
    """{1 type (0 number, 1 text), 2 number, 3 text}"""
    found = {number: value for number, _, value in _fields(data)}
    if found.get(1, 0) == 1:
        return _text(found[3]) if 3 in found else ""
    return _signed(found.get(2, 0))


def _duration(data: memoryview) -> str:
    nanos = next((_signed(value) for number, wire, value in _fields(data) if (number, wire) == (1, _VARINT)), 0)
    return gotime.format_duration(nanos)


_SPECIAL = {
    "Time": _time,
    "MicroTime": _micro_time,
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "Duration": _duration,
}


def _anything(data: memoryview, node: Schema) -> Any:
    """RawExtension, FieldsV1 and JSON hold JSON text in field 1; the schema unions are messages of their own."""
    if node.type_name.startswith("SchemaOr"):
        return _schema_union(data, node.type_name)
    raw = next((bytes(value) for number, wire, value in _fields(data) if (number, wire) == (1, _BYTES)), b"null")
    try:
        return orjson.loads(raw or b"null")
    except orjson.JSONDecodeError as error:
        raise MessageError("an embedded value that is not JSON") from error


def _schema_union(data: memoryview, name: str) -> Any:
    """JSONSchemaPropsOrArray {1 schema, 2 list}, OrBool {1 allows, 2 schema}, OrStringArray {1 schema, 2 names}."""
    schema = builtin("apiextensions/v1.JSONSchemaProps")
    single: Any = None
    several: list[Any] = []
    for number, wire, value in _fields(data):
        if name == "SchemaOrBool" and number == 1:
            single = bool(_number(value, wire)) if single is None else single
        elif name == "SchemaOrStringArray" and number == 2:
            several.append(_text(_bytes(value, wire)))
        elif name == "SchemaOrArray" and number == 2:
            several.append(_message(_bytes(value, wire), schema, 0))
        else:
            single = _message(_bytes(value, wire), schema, 0)
    return several or single
