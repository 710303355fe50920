"""Types of Kubernetes objects as one tree of `Schema` nodes, built-in and custom alike.

Decoding, pruning, defaulting, patches, server-side apply, OpenAPI and protobuf all read the same nodes.
Built-in types come from the `*.types` files beside this module: facts of the wire, one block per type.
A block is a line with the type's name (optionally `map=atomic`) followed by indented lines

    field protobuf-number type [required] [list=atomic|set|map] [keys=a,b] [merge|merge=key] [retain]
          [map=atomic|granular] [default=JSON] [inline]

where a type is a scalar (string bool int32 int64 double bytes Time MicroTime Duration Quantity IntOrString
RawExtension FieldsV1 JSON), another type (`Name` of the same file or `core/v1.Name`), `[]T` or `{}T` (a map
with string keys). `merge` is strategic merge's patchStrategy, `retain` its retainKeys; `inline` marks a
protobuf message whose fields stand in the parent object in JSON. Custom types are built in
`objects/structural.py`. References are resolved lazily, since types recur.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from podsysctl.base.errors import PodsysctlError

OBJECT = "object"
MAP = "map"
LIST = "list"
ANY = "any"
"""Anything at all: RawExtension, JSON, FieldsV1 and preserve-unknown-fields without properties."""

STRING_FORMATS = frozenset({"string", "bytes", "Time", "MicroTime", "Duration"})
SCALARS = frozenset(
    {"string", "bool", "int32", "int64", "double", "bytes", "Time", "MicroTime", "Duration", "Quantity", "IntOrString"}
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object type.

    `number` is the protobuf field number (0 for custom types). `merge_key` is None when strategic merge
    replaces the list, "" when it merges a list of scalars, else the key of the elements.
    """

    name: str
    number: int
    schema: Schema = field(repr=False)
    required: bool = False
    merge: bool = False
    merge_key: str | None = None
    retain_keys: bool = False
    default: Any = None
    inline: bool = False


@dataclass(slots=True)
class Schema:
    """One node: an object with fields, a map, a list, a scalar, or anything.

    `kind` is OBJECT, MAP, LIST, ANY or a scalar's name. `type_name` is set for named built-in objects
    (`core/v1.PodSpec`). `list_type` is atomic, set or map; `map_atomic` makes an object or map one unit for
    server-side apply. `preserve_unknown` keeps undeclared fields of an object. `raw` is the CRD's own
    OpenAPI node, for custom types. Nodes are shared and never changed after they are built.
    """

    kind: str
    type_name: str = ""
    go_name: str = ""
    fields: Mapping[str, Field] = field(default_factory=dict, repr=False)
    item: Schema | None = field(default=None, repr=False)
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    map_atomic: bool = False
    preserve_unknown: bool = False
    embedded_resource: bool = False
    nullable: bool = False
    raw: Mapping[str, Any] | None = field(default=None, repr=False)
    wire_fields: tuple[Field, ...] = field(default=(), repr=False)

    def child(self, name: str) -> Schema | None:
        """The node of a field or map value; None when the name is not declared."""
        if self.kind == OBJECT:
            declared = self.fields.get(name)
            return declared.schema if declared else None
        return self.item if self.kind == MAP else None


@lru_cache(maxsize=1)
def _blocks() -> dict[str, tuple[list[str], list[list[str]]]]:
    """Raw blocks of every file by qualified name: header attributes and field lines, split."""
    out: dict[str, tuple[list[str], list[list[str]]]] = {}
    for path in resources.files(__name__).iterdir():
        if not path.name.endswith(".types"):
            continue
        package = path.name.removesuffix(".types").replace("_", "/", 1)
        current: list[list[str]] = []
        for line in path.read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            words = line.split()
            if line[0] != " ":
                current = []
                out[f"{package}.{words[0]}"] = (words[1:], current)
            else:
                current.append(words)
    return out


_built: dict[str, Schema] = {}


def builtin(type_name: str) -> Schema:
    """The tree of a built-in type, such as `core/v1.Pod`. Raises PodsysctlError for a name not in the files."""
    known = _built.get(type_name)
    if known is not None:
        return known
    block = _blocks().get(type_name)
    if block is None:
        raise PodsysctlError(f"type {type_name} is not in objects/schema")
    header, lines = block
    package, _, short = type_name.rpartition(".")
    node = Schema(OBJECT, type_name=type_name, go_name=short, map_atomic="map=atomic" in header)
    _built[type_name] = node  # before the fields, since types recur
    node.wire_fields = tuple(_parse_field(words, package) for words in lines)
    flat: dict[str, Field] = {}
    for declared in node.wire_fields:
        if declared.inline:
            flat.update(declared.schema.fields)
        else:
            flat[declared.name] = declared
    node.fields = flat
    return node


def builtin_names() -> Iterator[str]:
    """Qualified names of all built-in types."""
    return iter(_blocks())


def _parse_field(words: list[str], package: str) -> Field:
    name, number, type_text, *attributes = words
    options = dict(a.partition("=")[::2] for a in attributes)
    schema = _parse_type(type_text, package, options)
    default = json.loads(options["default"]) if "default" in options else None
    return Field(
        name=name,
        number=int(number),
        schema=schema,
        required="required" in options,
        merge="merge" in options,
        merge_key=options.get("merge"),
        retain_keys="retain" in options,
        default=default,
        inline="inline" in options,
    )


def _parse_type(text: str, package: str, options: Mapping[str, str]) -> Schema:
    map_atomic = options.get("map") == "atomic"
    if text.startswith("[]"):
        keys = tuple(k for k in options.get("keys", "").split(",") if k)
        item = _parse_type(text[2:], package, {})
        return Schema(LIST, item=item, list_type=options.get("list", "atomic"), list_keys=keys)
    if text.startswith("{}"):
        return Schema(MAP, item=_parse_type(text[2:], package, {}), map_atomic=map_atomic)
    if text in SCALARS:
        return Schema(text, type_name=text)
    if text in ("RawExtension", "FieldsV1", "JSON", "SchemaOrArray", "SchemaOrBool", "SchemaOrStringArray"):
        return Schema(ANY, type_name=text, preserve_unknown=True)
    named = builtin(text if "/" in text else f"{package}.{text}")
    if map_atomic and not named.map_atomic:
        return Schema(
            OBJECT, named.type_name, named.go_name, named.fields, map_atomic=True, wire_fields=named.wire_fields
        )
    return named
