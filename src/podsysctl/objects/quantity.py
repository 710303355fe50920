"""How resource quantities such as `100m`, `1.5Gi` and `2e3` are read, compared and written canonically.

A quantity is kept as a whole number of nanos, the finest step the API knows; finer input is rounded away from
zero. Rules and texts follow Kubernetes 1.36 `apimachinery/pkg/api/resource/quantity.go`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from podsysctl.base.errors import ValueSyntaxError

NANO = 1_000_000_000
"""Nanos in one unit."""

DECIMAL, BINARY, EXPONENT = 10, 2, 0
"""Notations: `100m` and `2G`, `512Mi`, `2e3`."""

_FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_NUMERIC = "unable to parse numeric part of quantity"
_SUFFIX = "unable to parse quantity's suffix"

_PARTS = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_NAMES = {exponent: name for name, exponent in _DECIMAL.items()}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_BINARY_NAMES = {exponent: name for name, exponent in _BINARY.items()}

_LARGEST_BINARY = (1 << 63) - 1
_LARGEST_EXPONENT = 400
"""Beyond it no number of this program has a meaning; the bound keeps the arithmetic small."""

_INT64_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Quantity:
    """A parsed quantity: its value in nanos, its canonical text and the notation it was written in."""

    nanos: int
    text: str
    notation: int = DECIMAL

    def __str__(self) -> str:
        return self.text

    def plus(self, other: Quantity) -> Quantity:
        """The sum, in the notation of the first that is not zero."""
        nanos = self.nanos + other.nanos
        notation = self.notation if self.nanos else other.notation
        return Quantity(nanos, _write(nanos, notation), notation)

    def ceil(self, unit_nanos: int = NANO) -> int:
        """The value in units of `unit_nanos` nanos, rounded up."""
        return -(-self.nanos // unit_nanos)

    @property
    def milli(self) -> int:
        """Thousandths, rounded up: millicores of a processor."""
        return self.ceil(1_000_000)


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> Quantity:
    """Read a quantity. Raises ValueSyntaxError with upstream's text.

    >>> parse_quantity("1500m").text, parse_quantity("0.5Gi").text, parse_quantity("1000k").text
    ('1500m', '512Mi', '1M')
    """
    if not text:
        raise ValueSyntaxError(_FORMAT_WRONG)
    if text == "0":
        return Quantity(0, "0")
    match = _PARTS.fullmatch(text) if text.isascii() else None
    if match is None:
        raise ValueSyntaxError(_FORMAT_WRONG)
    sign, whole, fraction, suffix = match.groups(default="")
    base, exponent = _interpret_suffix(suffix)
    if not any(map(str.isdigit, text[: len(text) - len(suffix)])) and _is_slow_zero(base, exponent):
        raise ValueSyntaxError(_NUMERIC)
    digits = (whole or "0") + fraction
    negative = sign == "-"
    nanos = _scale(int(digits), len(fraction), base, exponent)
    if base == BINARY and nanos > _LARGEST_BINARY * NANO:
        nanos = _LARGEST_BINARY * NANO
    if _is_canonical(whole or "0", fraction, suffix, base, exponent):
        return Quantity(-nanos if negative else nanos, text, base)
    notation = DECIMAL if base == BINARY and 0 < nanos < NANO else base
    signed = -nanos if negative else nanos
    return Quantity(signed, _write(signed, notation), notation)


def canonical(value: Any) -> str:
    """The canonical text of a quantity given as text or JSON number. Raises ValueSyntaxError."""
    return parse_quantity(str(value).strip()).text


def _interpret_suffix(suffix: str) -> tuple[int, int]:
    """Base (10, 2, or 0 for the exponent notation) and exponent."""
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix]
    if suffix in _BINARY:
        return 2, _BINARY[suffix]
    if len(suffix) > 1 and suffix[0] in "eE" and re.fullmatch(r"[+-]?[0-9]{1,18}", suffix[1:]):
        exponent = int(suffix[1:])
        if exponent <= _LARGEST_EXPONENT:
            return 0, max(exponent, -_LARGEST_EXPONENT)
    raise ValueSyntaxError(_SUFFIX)


def _is_slow_zero(base: int, exponent: int) -> bool:
    """Whether a number without digits meets upstream's careful reader, which wants one; its quick one does not."""
    return exponent >= 50 if base == 2 else exponent < -9


def _scale(unscaled: int, places: int, base: int, exponent: int) -> int:
    """`unscaled` x 10^-places x base^exponent in nanos, rounded up."""
    power = 9 - places + (0 if base == 2 else exponent)
    if base == 2:
        unscaled <<= exponent
    if power >= 0:
        return int(unscaled * 10**power)
    return int(-(-unscaled // 10**-power))


def _is_canonical(whole: str, fraction: str, suffix: str, base: int, exponent: int) -> bool:
    """Whether upstream keeps the text as it was written instead of writing the value anew."""
    digits = whole + fraction
    if base == 2:
        precision = 15 - len(whole) - int(exponent * 3 / 10) - 1
        if fraction or precision < 0:
            return False
        value = int(digits)
        return exponent % 10 == 0 and value & 7 != 0 and value << exponent < 1 << 63
    scale = exponent - len(fraction)
    if len(digits) > _INT64_DIGITS or scale < -9:
        return False
    return scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"


def round_up_to_milli(quantity: Quantity) -> Quantity:
    """The quantity with thousandths as its finest step, rounded away from zero."""
    step = 1_000_000
    nanos = -(-abs(quantity.nanos) // step) * step
    if quantity.nanos < 0:
        nanos = -nanos
    return Quantity(nanos, _write(nanos, quantity.notation), quantity.notation)


def _write(nanos: int, notation: int) -> str:
    if nanos == 0:
        return "0"
    if notation == BINARY and not -1024 * NANO < nanos < 1024 * NANO and nanos % NANO == 0:
        return _write_binary(nanos // NANO)
    exponent = -9
    while nanos % 10 == 0:
        nanos //= 10
        exponent += 1
    shift = exponent % 3
    nanos *= 10**shift
    exponent -= shift
    if notation == EXPONENT:
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{_DECIMAL_NAMES.get(exponent, '')}"


def _write_binary(value: int) -> str:
    exponent = 0
    while value % 1024 == 0:
        value //= 1024
        exponent += 10
    return f"{value}{_BINARY_NAMES.get(exponent, '')}"
