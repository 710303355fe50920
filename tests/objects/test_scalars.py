"""Quantities, times, durations, schedules, images, names and quoted texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.objects import addresses, cronschedule, gotime, imagename, names, quantity
from podsysctl.objects.quote import quote


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("0.5", "500m"),
        ("1500m", "1500m"),
        ("1000m", "1"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("1000k", "1M"),
        ("1024Ki", "1Mi"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("1e-3", "1e-3"),
        ("100u", "100u"),
        ("0.1n", "1n"),
        ("-1.5", "-1500m"),
        ("+5", "+5"),
        (".5", "500m"),
        ("5.", "5."),
        ("00012", "00012"),
        ("0.0001Ki", "102400u"),
        ("1000E", "1"),
    ],
)
def test_quantity_is_written_canonically(text: str, canonical: str) -> None:
    """The notation stays, the number is made whole; oddities of upstream included."""
    assert quantity.parse_quantity(text).text == canonical


@pytest.mark.parametrize("text", ["", "x", "1x", "1 ", "1KI", "1.1.1", "--1", "1e", "1i", "\u0661"])
def test_malformed_quantity_is_refused(text: str) -> None:
    """Anything else is an error with upstream's text."""
    with pytest.raises(ValueSyntaxError, match=r"quantities must match|unable to parse"):
        quantity.parse_quantity(text)


@given(st.integers(min_value=-(10**12), max_value=10**12), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "e3"]))
def test_canonical_quantity_keeps_its_value(number: int, suffix: str) -> None:
    """Writing and reading again changes neither value nor text."""
    first = quantity.parse_quantity(f"{number}{suffix}")
    again = quantity.parse_quantity(first.text)
    assert (again.nanos, again.text) == (first.nanos, first.text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
        ("2020-01-01T24:00:00Z", 'parsing time "2020-01-01T24:00:00Z": hour out of range'),
        ("2020-02-30T00:00:00Z", 'parsing time "2020-02-30T00:00:00Z": day out of range'),
        (
            "2020-01-01T00:00:00",
            'parsing time "2020-01-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"',
        ),
    ],
)
def test_malformed_time_is_explained_as_go_does(text: str, message: str) -> None:
    """The part that does not fit is named."""
    with pytest.raises(ValueSyntaxError) as caught:
        gotime.canonical(text)
    assert caught.value.message == message


def test_times_are_written_in_utc() -> None:
    """Offsets and fractions go."""
    assert gotime.canonical("2020-01-01T00:00:00.5+01:00") == "2019-12-31T23:00:00Z"
    assert gotime.canonical_micro("2020-01-01T00:00:00.000001Z") == "2020-01-01T00:00:00.000001Z"


@pytest.mark.parametrize(
    ("text", "nanos", "written"),
    [("1h5m", 3_900_000_000_000, "1h5m0s"), ("1.5s", 1_500_000_000, "1.5s"), ("0", 0, "0s"), ("100ns", 100, "100ns")],
)
def test_duration_is_read_and_written_as_go_does(text: str, nanos: int, written: str) -> None:
    """Both ways."""
    assert gotime.parse_duration(text) == nanos
    assert gotime.format_duration(nanos) == written


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("busybox", "latest"),
        ("busybox:1.36", "1.36"),
        ("reg.example.com:5000/a/b", "latest"),
        ("reg.example.com:5000/a/b:c", "c"),
        ("a@sha256:" + "0" * 64, ""),
    ],
)
def test_image_tag_decides_the_pull_policy(image: str, tag: str) -> None:
    """A name without tag or digest means latest."""
    assert imagename.default_tag(image) == tag


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("@often", "unrecognized descriptor: @often"),
    ],
)
def test_malformed_schedule_is_explained(text: str, message: str) -> None:
    """With the words of the library that upstream uses."""
    with pytest.raises(ValueSyntaxError) as caught:
        cronschedule.parse_schedule(text)
    assert caught.value.message == message


def test_schedule_names_its_times() -> None:
    """Steps, ranges and names of days."""
    found = cronschedule.parse_schedule("*/20 1-3 * jan mon,fri")
    assert sorted(found.minutes) == [0, 20, 40]
    assert sorted(found.hours) == [1, 2, 3]
    assert sorted(found.months) == [1]
    assert sorted(found.weekdays) == [1, 5]


def test_label_problem_is_told_in_upstreams_words() -> None:
    """The sentence of DNS labels, whole."""
    assert names.dns_label("A") == (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    )
    assert names.dns_label("a" * 64) == ("must be no more than 63 characters",)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("10.0.0.0/24", []),
        ("fd00::/64", []),
        ("10.0.0.5/24", ["must not have bits set beyond the prefix length"]),
        ("010.0.0.0/8", ["must not have leading 0s in IP or prefix length"]),
        ("::ffff:1.2.3.0/120", ["must not have an IPv4-mapped IPv6 address"]),
        ("10.0.0.0", ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]),
        ("10.0.0.0/33", ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]),
    ],
)
def test_address_range_is_read_strictly(text: str, problems: list[str]) -> None:
    """What older servers let pass is refused."""
    assert addresses.range_errors(text) == problems


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("a", '"a"'), ('"\\', '"\\"\\\\"'), ("\n\x00\x7f", '"\\n\\x00\\x7f"'), ("é\u200b", '"é\\u200b"')],
)
def test_text_is_quoted_as_go_does(text: str, quoted: str) -> None:
    """Control and unprintable characters are escaped, letters of any script are not."""
    assert quote(text) == quoted
