"""How Go prints values other than text inside upstream's messages: `json.Marshal` and floats.

Texts alone are quoted by `objects/quote.py`. Source: Go's encoding/json and apimachinery's field.Error.
"""

from __future__ import annotations

import json
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from podsysctl.objects.quote import quote

_ENCODER = json.JSONEncoder(ensure_ascii=False)


class Struct(dict[str, Any]):
    """A Go struct: printed in the order of its fields, where a map is sorted."""


def json_text(value: Any) -> str:
    """`json.Marshal`: compact, map keys sorted, `<`, `>` and `&` escaped."""
    text = _encode(value)
    for rune in "<>&\u2028\u2029":
        if rune in text:
            text = text.replace(rune, f"\\u{ord(rune):04x}")
    return text


def _encode(value: Any) -> str:
    if isinstance(value, dict):
        keys = value if isinstance(value, Struct) else sorted(value)
        inner = (f"{_encode(str(key))}:{_encode(value[key])}" for key in keys)
        return "{" + ",".join(inner) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_encode, value)) + "]"
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, str):
        return encode_basestring(value)
    return _ENCODER.encode(value)


def float_text(value: float) -> str:
    """A float as encoding/json prints it: plain digits between 1e-6 and 1e21, else shortest exponent.

    >>> float_text(1.0), float_text(0.5), float_text(1e21)
    ('1', '0.5', '1e+21')
    """
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    if 1e-6 <= abs(value) < 1e21:
        return f"{Decimal(repr(value)):f}"
    mantissa, _, exponent = repr(value).partition("e")
    sign, digits = (exponent[0], exponent[1:]) if exponent[0] in "+-" else ("+", exponent)
    return f"{mantissa}e{sign}{digits.lstrip('0')}"


def value_text(value: Any) -> str:
    """A value as `field.Error` shows it: quoted strings, bare numbers and booleans, else JSON."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return json_text(value)
