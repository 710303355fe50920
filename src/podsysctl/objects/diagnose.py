"""What upstream's decoder says of a body: the first value of the wrong type, and every unknown or doubled field.

It walks the tree of `gojson` in document order with the Go type beside each value, and keeps the same books as
sigs.k8s.io/json: the first error wins, problems are listed once and at most a hundred.
"""

from __future__ import annotations

import re
from typing import Any

from podsysctl.base.errors import PodsysctlError, ValueSyntaxError
from podsysctl.objects import gotime
from podsysctl.objects.gojson import Members, NumberText
from podsysctl.objects.goshape import TYPED_INSIDE, element_type, struct_of, type_of
from podsysctl.objects.quantity import parse_quantity
from podsysctl.objects.quote import quote
from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Schema, builtin

_MOST_PROBLEMS = 100
_INTEGER_BITS = {"int32": 32, "int64": 64}
_TYPE_META = ("kind", "apiVersion")


class DecodeError(PodsysctlError):
    """A value that does not fit its Go type; the message is upstream's."""

    reason = "Decode"


class Diagnosis:
    """The books of one walk. `error` is the message of the first type error, `problems` the strict ones."""

    def __init__(self) -> None:
        self.error: str | None = None
        self.problems: list[str] = []
        self._struct: str | None = None
        self._fields: list[str] = []
        self._path: list[str] = []

    def root(self, node: Any, schema: Schema) -> None:
        """Walk a whole object of a built-in type. Raises DecodeError where upstream stops at once."""
        if isinstance(node, Members):
            self._walk_struct(node, schema, is_root=True)
        elif node is not None:
            self._save_type(_name(node), type_of(schema))

    def duplicates(self, node: Any) -> None:
        """Walk an untyped object, of which only doubled fields can be said."""
        if isinstance(node, Members):
            seen: set[str] = set()
            for key, value in node:
                if key in seen:
                    self._problem("duplicate field", key)
                seen.add(key)
                self._inside(key, value)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                self._path.append(f"[{index}]")
                self.duplicates(value)
                self._path.pop()

    def _inside(self, key: str, value: Any) -> None:
        self._path.append(f".{key}" if self._path else key)
        self.duplicates(value)
        self._path.pop()

    def _walk_struct(self, node: Members, schema: Schema, *, is_root: bool = False) -> None:
        struct = struct_of(schema)
        seen: set[str] = set()
        context = (self._struct, len(self._fields))
        for key, value in node:
            field = struct.fields.get(key)
            is_meta = field is None and key in _TYPE_META and (is_root or schema.type_name in TYPED_INSIDE)
            if field is None and not is_meta:
                self._problem("unknown field", key)
                continue
            if key in seen:
                self._problem("duplicate field", key)
            seen.add(key)
            self._struct = schema.go_name
            self._fields += ("TypeMeta", key) if field is None else (*field.embedded, key)
            self._path.append(f".{key}" if self._path else key)
            if field is None:
                self._walk_text(value, "string")
            elif value is not None:
                self._walk(value, field.schema, field.go_type)
            self._path.pop()
            self._struct = context[0]
            del self._fields[context[1] :]

    def _walk(self, node: Any, schema: Schema, go_type: str) -> None:
        kind = schema.kind
        if kind == OBJECT:
            if isinstance(node, Members):
                self._walk_struct(node, schema)
            elif node is not None:
                self._save_type(_name(node), go_type)
        elif kind == LIST:
            self._walk_list(node, schema, go_type)
        elif kind == MAP:
            self._walk_map(node, schema, go_type)
        elif kind == ANY:
            self._walk_any(node, schema)
        elif kind == "string":
            self._walk_text(node, go_type)
        elif kind in _INTEGER_BITS:
            self._walk_integer(node, go_type, _INTEGER_BITS[kind])
        elif kind in ("bool", "double"):
            expected = bool if kind == "bool" else NumberText
            if node is not None and not isinstance(node, expected):
                self._save_type(_name(node), go_type)
        elif kind == "bytes":
            self._walk_bytes(node)
        else:
            self._walk_unmarshaler(node, kind)

    def _walk_list(self, node: Any, schema: Schema, go_type: str) -> None:
        if node is None:
            return
        if isinstance(node, Members) or not isinstance(node, list) or schema.item is None:
            self._save_type(_name(node), go_type)
            return
        element = element_type(go_type, schema.item)
        for index, item in enumerate(node):
            self._path.append(f"[{index}]")
            self._walk(item, schema.item, element)
            self._path.pop()

    def _walk_map(self, node: Any, schema: Schema, go_type: str) -> None:
        if node is None:
            return
        if not isinstance(node, Members) or schema.item is None:
            self._save_type(_name(node), go_type)
            return
        seen: set[str] = set()
        element = element_type(go_type, schema.item)
        for key, item in node:
            if key in seen:
                self._problem("duplicate field", key)
            seen.add(key)
            self._path.append(f".{key}" if self._path else key)
            self._walk(item, schema.item, element)
            self._path.pop()

    def _walk_any(self, node: Any, schema: Schema) -> None:
        """Types that keep their JSON as it is; those that hold schemas decode them on their own."""
        name = schema.type_name
        if name not in ("SchemaOrArray", "SchemaOrBool", "SchemaOrStringArray") or node is None:
            return
        if isinstance(node, Members):
            schemas: list[Any] = [node]
        elif isinstance(node, list) and name == "SchemaOrArray":
            schemas = list(node)
        elif (isinstance(node, bool) and name == "SchemaOrBool") or (
            isinstance(node, list) and name == "SchemaOrStringArray"
        ):
            return
        elif name == "SchemaOrBool":
            raise DecodeError("boolean or JSON schema expected")
        else:
            return
        for item in schemas:
            inner = Diagnosis()
            inner._struct = self._struct
            inner.root(item, builtin("apiextensions/v1.JSONSchemaProps"))
            if inner.error is not None:
                raise DecodeError(inner.error)

    def _walk_text(self, node: Any, go_type: str) -> None:
        if node is not None and type(node) is not str:
            self._save_type(_name(node), go_type)

    def _walk_integer(self, node: Any, go_type: str, bits: int) -> None:
        if isinstance(node, NumberText):
            if not _fits(node, bits):
                self._save_type(f"number {node}", go_type)
        elif node is not None:
            self._save_type(_name(node), go_type)

    def _walk_bytes(self, node: Any) -> None:
        if type(node) is str:
            at = base64_error(node)
            if at is not None:
                self._save(f"illegal base64 data at input byte {at}")
        elif node is not None and not (isinstance(node, list) and not isinstance(node, Members)):
            self._save_type(_name(node), "[]uint8")

    def _walk_unmarshaler(self, node: Any, kind: str) -> None:
        """Types that read their own JSON: their first error ends the decoding."""
        if node is None:
            return
        if kind == "Quantity":
            self._stop_unless(parse_quantity, str(node).strip() if isinstance(node, str) else "{")
        elif kind == "IntOrString":
            if type(node) is str:
                return
            if isinstance(node, NumberText):
                if not _fits(node, 32):
                    raise DecodeError(self._type_error(f"number {node}", "int32"))
            else:
                raise DecodeError(self._type_error(_name(node), "int32"))
        elif type(node) is not str:
            raise DecodeError(self._type_error(_name(node), "string"))
        elif kind == "Time":
            self._stop_unless(gotime.parse, node)
        elif kind == "MicroTime":
            self._stop_unless(gotime.canonical_micro, node)
        else:
            self._stop_unless(gotime.parse_duration, node)

    @staticmethod
    def _stop_unless(parse: Any, text: str) -> None:
        try:
            parse(text)
        except ValueSyntaxError as error:
            raise DecodeError(error.message) from error

    def _type_error(self, value: str, go_type: str) -> str:
        if self._struct is None and not self._fields:
            return f"json: cannot unmarshal {value} into Go value of type {go_type}"
        where = ".".join(self._fields)
        return f"json: cannot unmarshal {value} into Go struct field {self._struct}.{where} of type {go_type}"

    def _save_type(self, value: str, go_type: str) -> None:
        self._save(self._type_error(value, go_type))

    def _save(self, message: str) -> None:
        if self.error is None:
            self.error = message

    def _problem(self, what: str, key: str) -> None:
        path = f"{''.join(self._path)}.{key}" if self._path else key
        text = f"{what} {quote(path)}"
        if len(self.problems) < _MOST_PROBLEMS and text not in self.problems:
            self.problems.append(text)


def _name(node: Any) -> str:
    """What Go calls a value of the wrong type."""
    if isinstance(node, Members):
        return "object"
    if isinstance(node, list):
        return "array"
    if isinstance(node, bool):
        return "bool"
    return "number" if isinstance(node, NumberText) else "string"


def _fits(text: str, bits: int) -> bool:
    if not re.fullmatch(r"-?[0-9]{1,20}", text):
        return False
    return -(1 << bits - 1) <= int(text) < 1 << bits - 1


def base64_error(text: str) -> int | None:
    """Where Go's reader of standard base64 stops, as a byte offset; None when the text is good."""
    data = text.encode()
    at = 0
    while True:
        quantum, positions = b"", []
        while len(quantum) < 4:
            if at == len(data):
                if not quantum:
                    return None
                return at - len(quantum)
            char = data[at]
            at += 1
            if char in b"\r\n":
                continue
            if char == 0x3D:
                return _padding_error(data, at, len(quantum))
            if not (chr(char).isalnum() and char < 128) and char not in b"+/":
                return at - 1
            quantum += bytes((char,))
            positions.append(at - 1)


def _padding_error(data: bytes, at: int, have: int) -> int | None:
    """What follows the first `=` after `have` characters of a group of four; `at` is behind it."""
    if have < 2:
        return at - 1
    if have == 2:
        while at < len(data) and data[at] in b"\r\n":
            at += 1
        if at == len(data):
            return len(data)
        if data[at] != 0x3D:
            return at - 1
        at += 1
    while at < len(data) and data[at] in b"\r\n":
        at += 1
    return at if at < len(data) else None
