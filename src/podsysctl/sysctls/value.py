"""How a parameter's value is understood and compared, the way the kernel reads and prints it.

A `ValueSpec` is the shape that the catalogue gives a parameter. Numbers follow the kernel's strtoul with
base 0, so `0x10` and `020` are sixteen; tabs, spaces and newlines separate alike. Range and shape are judged
here, without a kernel; what this kernel really takes is asked in `kernel.dry_run`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from podsysctl.base import limits
from podsysctl.base.errors import ValueSyntaxError

INT_MIN, INT_MAX, UINT_MAX, LONG_MAX, ULONG_MAX = -(2**31), 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1

_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_BITS_MAX = 1 << 20


class ValueKind(StrEnum):
    """The shapes a value has."""

    INTEGER = "integer"
    """One number."""
    VECTOR = "vector"
    """Several numbers of a fixed count, such as tcp_rmem."""
    RANGE = "range"
    """Two numbers, the first not above the second."""
    BITMAP = "bitmap"
    """A list of numbers and ranges, `8080,9148-9150`."""
    MASK = "mask"
    """Hexadecimal words with commas, one bit a processor."""
    ENUM = "enum"
    """One word of a list."""
    STRING = "string"
    """Free text."""


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """What one parameter may hold: shape, bounds per number (None: unbounded), count and words."""

    kind: ValueKind
    minimum: int | None = None
    maximum: int | None = None
    arity: int = 1
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """A value understood: numbers for every numeric shape (a bitmap as its sorted ranges), else words."""

    kind: ValueKind
    numbers: tuple[int, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As the kernel prints it, without the final newline: vectors with tabs, bitmaps with commas."""
        if self.kind is ValueKind.BITMAP:
            pairs = zip(self.numbers[::2], self.numbers[1::2], strict=True)
            return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in pairs)
        if self.kind is ValueKind.MASK:
            return _mask_text(self.numbers[0])
        if self.kind in (ValueKind.ENUM, ValueKind.STRING):
            return " ".join(self.words)
        return "\t".join(str(number) for number in self.numbers)


def parse_value(spec: ValueSpec | None, text: str, *, name: str = "", partial: bool = False) -> Value:
    """Read a value as the kernel would, by the shape it must have.

    Without a spec the text is taken as words. `partial` allows a vector to give fewer numbers than it has,
    which the kernel takes as the first ones. Raises ValueSyntaxError whose message names parameter, value
    and rule.

    >>> parse_value(ValueSpec(ValueKind.RANGE, 1, 65535, 2), " 32768  60999 ").text
    '32768\\t60999'
    >>> parse_value(ValueSpec(ValueKind.BITMAP, 0, 65535), "9149,8080,9148").text
    '8080,9148-9149'
    """
    label = f"{name}: " if name else ""
    if len(text) > limits.SYSCTL_VALUE_BYTES:
        raise ValueSyntaxError(f"{label}value is longer than {limits.SYSCTL_VALUE_BYTES} bytes")
    if "\0" in text:
        raise ValueSyntaxError(f"{label}value holds a NUL character")
    words = tuple(text.split())
    if spec is None or spec.kind is ValueKind.STRING:
        return Value(ValueKind.STRING, words=words)
    if spec.kind is ValueKind.ENUM:
        return _parse_enum(spec, words, label)
    if spec.kind is ValueKind.BITMAP:
        return _parse_bitmap(spec, _one_word(words, label), label)
    if spec.kind is ValueKind.MASK:
        return Value(ValueKind.MASK, (_parse_mask(_one_word(words, label), label),))
    return _parse_numbers(spec, words, label, partial)


def parse_number(text: str, label: str = "") -> int:
    """Read one number with C's base prefixes. Raises ValueSyntaxError.

    >>> parse_number("0x10"), parse_number("020"), parse_number("-3")
    (16, 16, -3)
    """
    if len(text) > 40 or not text.isascii() or not _NUMBER.fullmatch(text):
        raise ValueSyntaxError(f"{label}{_short(text)} is not a number")
    digits = text.lstrip("-")
    if digits[:2] in ("0x", "0X"):
        number = int(digits, 16)
    elif len(digits) > 1 and digits[0] == "0":
        if not all(digit in "01234567" for digit in digits):
            raise ValueSyntaxError(f"{label}{_short(text)} begins with 0 and is therefore octal, but holds an 8 or 9")
        number = int(digits, 8)
    else:
        number = int(digits)
    return -number if text.startswith("-") else number


def values_equal(spec: ValueSpec | None, one: str, other: str) -> bool:
    """Do two texts mean the same value? Total: never raises.

    With a spec both are parsed by it; if one cannot be, or there is no spec, the words are compared, numbers
    as numbers. So `4096 87380` equals `4096\\t87380`, and `0x10` equals `16`.

    >>> values_equal(None, "4096\\t87380\\t16777216\\n", "4096 87380 16777216")
    True
    """
    left, right = one.split(), other.split()
    if spec is not None and spec.kind is ValueKind.STRING:
        return left == right or (len(left) == len(right) == 1 and _addresses_equal(left[0], right[0]))
    if spec is not None:
        try:
            return parse_value(spec, one, partial=True) == parse_value(spec, other, partial=True)
        except ValueSyntaxError:
            pass
    return len(left) == len(right) and all(_word_equal(a, b) for a, b in zip(left, right, strict=True))


def normalise(text: str) -> str:
    """A value on one line: blanks around it dropped, runs of blanks and newlines become one space."""
    return " ".join(text.split())


def _parse_numbers(spec: ValueSpec, words: tuple[str, ...], label: str, partial: bool) -> Value:
    if len(words) > spec.arity or (len(words) < spec.arity and not partial) or not words:
        wanted = "one number" if spec.arity == 1 else f"{spec.arity} numbers"
        given = "no value was given" if not words else f"{len(words)} were given"
        note = "; the kernel would change only the first" if words and len(words) < spec.arity else ""
        raise ValueSyntaxError(f"{label}takes {wanted}, {given}{note}")
    numbers = tuple([parse_number(word, label) for word in words])
    for number in numbers:
        _check_bounds(spec, number, label)
    if spec.kind is ValueKind.RANGE and len(numbers) == 2 and numbers[0] > numbers[1] and numbers != (1, 0):
        raise ValueSyntaxError(f"{label}the range starts at {numbers[0]} and ends below it at {numbers[1]}")
    return Value(spec.kind, numbers)


def _check_bounds(spec: ValueSpec, number: int, label: str) -> None:
    if spec.minimum is not None and number < spec.minimum:
        raise ValueSyntaxError(f"{label}{number} is below {spec.minimum}")
    if spec.maximum is not None and number > spec.maximum:
        raise ValueSyntaxError(f"{label}{number} is above {spec.maximum}")


def _parse_enum(spec: ValueSpec, words: tuple[str, ...], label: str) -> Value:
    text = " ".join(words)
    if text not in spec.choices:
        raise ValueSyntaxError(f"{label}{_short(text)} is not one of {', '.join(spec.choices)}")
    return Value(ValueKind.ENUM, words=(text,))


def _one_word(words: tuple[str, ...], label: str) -> str:
    if len(words) > 1:
        raise ValueSyntaxError(f"{label}{_short(' '.join(words))} holds a blank; only commas separate here")
    return words[0] if words else ""


def _parse_bitmap(spec: ValueSpec, text: str, label: str) -> Value:
    top = spec.maximum if spec.maximum is not None else _BITS_MAX
    ranges: list[tuple[int, int]] = []
    for piece in text.removesuffix(",").split(",") if text else []:  # the kernel takes one comma at the end
        low_text, dash, high_text = piece.partition("-")
        low = parse_number(low_text, label)
        high = parse_number(high_text, label) if dash else low
        if low > high:
            raise ValueSyntaxError(f"{label}the range {low}-{high} runs backwards")
        for number in (low, high):
            _check_bounds(ValueSpec(ValueKind.INTEGER, spec.minimum or 0, top), number, label)
        ranges.append((low, high))
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return Value(ValueKind.BITMAP, tuple([number for pair in merged for number in pair]))


def _parse_mask(text: str, label: str) -> int:
    if not text:
        return 0  # as the kernel does
    words = text.removeprefix(",").removesuffix(",")
    if not re.fullmatch(r"[0-9a-fA-F]{1,8}(?:,[0-9a-fA-F]{1,8})*", words, re.ASCII):
        raise ValueSyntaxError(f"{label}{_short(text)} is not a hexadecimal mask")
    number = 0
    for word in words.split(","):
        number = (number << 32) | int(word, 16)
    return number


def _mask_text(number: int) -> str:
    words = []
    while number >> 32:
        words.append(f"{number & UINT_MAX:08x}")
        number >>= 32
    return ",".join([f"{number:x}", *reversed(words)])


def _word_equal(one: str, other: str) -> bool:
    if one == other:
        return True
    if ":" in one:
        return _addresses_equal(one, other)
    try:
        return parse_number(one) == parse_number(other)
    except ValueSyntaxError:
        return False


def _addresses_equal(one: str, other: str) -> bool:
    """IPv6 addresses have many spellings; the kernel prints the longest one."""
    if ":" not in one or ":" not in other:
        return False
    import ipaddress

    try:
        return ipaddress.IPv6Address(one) == ipaddress.IPv6Address(other)
    except ValueError:
        return False


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
