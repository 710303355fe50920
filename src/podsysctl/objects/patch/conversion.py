"""What becomes of maps that are turned into Go structs without JSON between, as apply and strategic merge do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from podsysctl.objects import goshape
from podsysctl.objects.patch import typed
from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Schema

_KINDS = {str: "string", bool: "bool", int: "int64", float: "float64", list: "slice", dict: "map"}
_SCALARS = {"string": "string", "bool": "bool", "int32": "int32", "int64": "int64", "double": "float64"}
_FITS = {"string": (str,), "bool": (bool,), "int32": (int,), "int64": (int,), "double": (int, float)}
_NUMBERS = ("int32", "int64", "double")
_PLACE = re.compile(r"into Go struct field \S+ of type")


def narrowed(value: Any, schema: Schema) -> Any:
    """The value with each integer cut to the bits of its type, as Go converts it."""
    if isinstance(value, dict) and schema.kind in (OBJECT, MAP):
        types = {key: typed.child_schema(schema, key) for key in value}
        return {key: item if (below := types[key]) is None else narrowed(item, below) for key, item in value.items()}
    if isinstance(value, list) and schema.kind == LIST:
        return [narrowed(item, schema.item or Schema(ANY)) for item in value]
    if schema.kind not in ("int32", "int64") or type(value) not in (int, float) or value % 1:
        return value
    whole = int(value) if -(2**63) <= value < 2**63 else -(2**63)
    return whole if schema.kind == "int64" else (whole + 2**31) % 2**32 - 2**31


def error_text(value: Any, schema: Schema, decoding: str) -> str:
    """Why Go cannot convert the value, given what a JSON decoder says of it."""
    first = next(_misfits(value, schema, goshape.type_of(schema)), None)
    return first or _PLACE.sub("into Go value of type", decoding)


def _misfits(value: Any, schema: Schema, go_type: str) -> Iterator[str]:
    """Every error, in the order of Go's fields."""
    found = _KINDS.get(type(value))
    if found is None:
        return
    if schema.kind == OBJECT:
        if not isinstance(value, dict):
            yield f"cannot restore struct from: {found}"
            return
        for name, field in goshape.struct_of(schema).fields.items():
            yield from _misfits(value.get(name), field.schema, field.go_type)
    elif schema.kind in (LIST, MAP):
        if not isinstance(value, list if schema.kind == LIST else dict):
            yield f"cannot restore {'slice' if schema.kind == LIST else 'map'} from {found}"
            return
        item = schema.item or Schema(ANY)
        for below in value if isinstance(value, list) else value.values():
            yield from _misfits(below, item, goshape.element_type(go_type, item))
    elif schema.kind in _SCALARS and type(value) not in _FITS[schema.kind]:
        yield from _scalar_misfit(value, schema.kind, found, go_type)


def _scalar_misfit(value: Any, kind: str, found: str, go_type: str) -> Iterator[str]:
    number = type(value) in (int, float)
    if number and kind in _NUMBERS:
        if value % 1:
            yield f"cannot convert {found} to {go_type}"
    elif found == "int64" and kind == "string":
        yield f"cannot convert int64 to {go_type}"
    else:
        yield f"unrecognized type: {_SCALARS[kind]}"
