"""Values: the kernel's spellings are one, and errors name parameter, value and rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podsysctl.base.errors import PodsysctlError, ValueSyntaxError
from podsysctl.kernel import procsys
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.value import ValueKind, ValueSpec, parse_number, parse_value, values_equal

PORTS = ValueSpec(ValueKind.RANGE, 1, 65535, 2)
BITMAP = ValueSpec(ValueKind.BITMAP, 0, 65535)
VECTOR = ValueSpec(ValueKind.VECTOR, 1, 2**31 - 1, 3)
SPECS = [
    None,
    PORTS,
    BITMAP,
    VECTOR,
    ValueSpec(ValueKind.INTEGER, 0, 1),
    ValueSpec(ValueKind.INTEGER),
    ValueSpec(ValueKind.MASK),
    ValueSpec(ValueKind.ENUM, choices=("on", "off")),
    ValueSpec(ValueKind.STRING),
]


@pytest.mark.parametrize(
    ("spec", "text", "message"),
    [
        (PORTS, "70000 80000", "net.x: 70000 is above 65535"),
        (PORTS, "0 80", "net.x: 0 is below 1"),
        (PORTS, "200 100", "net.x: the range starts at 200 and ends below it at 100"),
        (PORTS, "100", "net.x: takes 2 numbers, 1 were given; the kernel would change only the first"),
        (VECTOR, "1 2 3 4", "net.x: takes 3 numbers, 4 were given"),
        (VECTOR, "", "net.x: takes 3 numbers, no value was given"),
        (VECTOR, "1 b 3", "net.x: 'b' is not a number"),
        (
            ValueSpec(ValueKind.INTEGER, 0, 10),
            "09",
            "net.x: '09' begins with 0 and is therefore octal, but holds an 8 or 9",
        ),
        (ValueSpec(ValueKind.ENUM, choices=("on", "off")), "maybe", "net.x: 'maybe' is not one of on, off"),
        (BITMAP, "90-80", "net.x: the range 90-80 runs backwards"),
        (BITMAP, "1,,2", "net.x: '' is not a number"),
        (ValueSpec(ValueKind.MASK), "xyz", "net.x: 'xyz' is not a hexadecimal mask"),
        (None, "a\0b", "net.x: value holds a NUL character"),
    ],
)
def test_parse_value_wrong_text_names_parameter_value_and_rule(spec: ValueSpec | None, text: str, message: str) -> None:
    """Each error can be acted on without reading the source."""
    with pytest.raises(ValueSyntaxError) as caught:
        parse_value(spec, text, name="net.x")
    assert caught.value.message == message


def test_parse_value_bounds_themselves_are_accepted() -> None:
    """The last values inside a range are inside."""
    assert parse_value(PORTS, "1 65535").numbers == (1, 65535)


def test_parse_value_empty_group_range_of_ping_is_accepted() -> None:
    """`1 0` is how the kernel writes that nobody may ping."""
    assert parse_value(ValueSpec(ValueKind.RANGE, 0, 4294967294, 2), "1\t0").text == "1\t0"


def test_parse_value_partial_vector_is_accepted_when_asked() -> None:
    """The kernel takes fewer numbers as the first ones, and a caller may allow that."""
    assert parse_value(VECTOR, "4096", partial=True).numbers == (4096,)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("4096\t87380\t16777216\n", "4096 87380 16777216", True),
        ("0x10", "16", True),
        ("010", "8", True),
        ("1 2", "1 2 3", False),
        ("cubic", "cubic", True),
        ("cubic", "bbr", False),
        ("", "", True),
    ],
)
def test_values_equal_without_a_spec_compares_words_as_numbers(one: str, other: str, equal: bool) -> None:
    """White space and number bases do not matter."""
    assert values_equal(None, one, other) is equal


def test_values_equal_bitmaps_compare_as_sets() -> None:
    """The kernel joins neighbours: `1,2,3` reads back as `1-3`."""
    assert values_equal(BITMAP, "1,2,3", "1-3")
    assert not values_equal(BITMAP, "1,2,3", "1-4")


def test_values_equal_masks_compare_as_numbers() -> None:
    """Leading zeros and word grouping do not matter."""
    assert values_equal(ValueSpec(ValueKind.MASK), "00000000,00000003", "3")


@settings(max_examples=5000)
@given(st.sampled_from(SPECS), st.one_of(st.text(max_size=80), st.text("0123456789abcdefx-+, \t\n", max_size=40)))
def test_parse_value_any_text_round_trips_or_is_refused(spec: ValueSpec | None, text: str) -> None:
    """Printing and parsing again gives the same value, and no exception is anything but ours."""
    try:
        value = parse_value(spec, text)
    except PodsysctlError:
        return
    assert parse_value(spec, value.text) == value
    assert values_equal(spec, text, value.text)


@settings(max_examples=500)
@given(st.integers(-(2**63), 2**64 - 1))
def test_parse_number_every_base_reads_the_same(number: int) -> None:
    """Decimal, hexadecimal and octal are the kernel's three bases."""
    sign, size = ("-", -number) if number < 0 else ("", number)
    assert parse_number(str(number)) == parse_number(f"{sign}{size:#x}") == number
    assert parse_number(f"{sign}0{size:o}") == number


@pytest.mark.parametrize("text", ["", "-", "0x", "1e3", "+1", "1_000", "٣", "1 2", "9" * 41])
def test_parse_number_what_the_kernel_refuses_is_refused(text: str) -> None:
    """Python would read some of these; the kernel does not."""
    with pytest.raises(ValueSyntaxError):
        parse_number(text)


def test_parse_value_every_readable_parameter_here_round_trips() -> None:
    """What this kernel prints fits the catalogue's shape and prints again as the same value."""
    wrong = []
    for name, reading in procsys.read_tree():
        if not isinstance(reading, str):
            continue
        spec = catalogue.spec_of(name)
        try:
            value = parse_value(spec, reading, name=name.dotted)
        except PodsysctlError as error:
            wrong.append(error.message)
            continue
        if value.text.split() != reading.split() or parse_value(spec, value.text) != value:
            wrong.append(f"{name.dotted}: {reading!r} became {value.text!r}")
    assert wrong == []
