"""How times and durations are read and written on the wire: RFC 3339 as Go reads it, with Go's error texts.

`meta/v1.Time` and `MicroTime` differ only in what they write. Source: Go's time package (Parse, ParseDuration).
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.objects.quote import quote

TIME_LAYOUT = "2006-01-02T15:04:05Z07:00"
MICRO_TIME_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"

_ZERO_TIME = "0001-01-01T00:00:00Z"

_STEPS = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d\d"),
    ("-", "-"),
    ("02", r"\d\d"),
    ("T", "T"),
    ("15", r"\d\d?"),
    (":", ":"),
    ("04", r"\d\d"),
    (":", ":"),
    ("05", r"\d\d(?:[.,]\d+)?"),
)
_COMPILED = tuple((name, re.compile(pattern, re.ASCII)) for name, pattern in _STEPS)
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_FAST = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_RANGES = {"01": (1, 12, "month"), "15": (0, 23, "hour"), "04": (0, 59, "minute"), "05": (0, 59, "second")}


def _fail(text: str, layout: str, rest: str, element: str) -> ValueSyntaxError:
    return ValueSyntaxError(
        f"parsing time {quote(text)} as {quote(layout)}: cannot parse {quote(rest)} as {quote(element)}"
    )


@lru_cache(maxsize=1024)
def parse(text: str, layout: str = TIME_LAYOUT) -> datetime:
    """Read a time. Raises ValueSyntaxError with Go's text; finer than microseconds is cut."""
    values: dict[str, str] = {}
    rest = text
    for name, pattern in _COMPILED:
        if name == "05" and layout == MICRO_TIME_LAYOUT:
            pattern = re.compile(r"\d\d", re.ASCII)
        match = pattern.match(rest)
        if match is None:
            raise _fail(text, layout, rest, name)
        values[name] = match[0]
        bounds = _RANGES.get(name)
        if bounds and not bounds[0] <= int(match[0][:2]) <= bounds[1]:
            raise ValueSyntaxError(f"parsing time {quote(text)}: {bounds[2]} out of range")
        rest = rest[match.end() :]
    if layout == MICRO_TIME_LAYOUT:
        match = re.match(r"\.\d{6}", rest, re.ASCII)
        if match is None:
            raise _fail(text, layout, rest, ".000000")
        values["05"] += match[0]
        rest = rest[match.end() :]
    offset = timedelta()
    if rest.startswith("Z"):
        rest = rest[1:]
    else:
        zone = _ZONE.match(rest)
        if zone is None:
            raise _fail(text, layout, rest, "Z07:00")
        if int(zone[2]) > 24 or int(zone[3]) > 60:
            part = "hour" if int(zone[2]) > 24 else "minute"
            raise ValueSyntaxError(f"parsing time {quote(text)}: time zone offset {part} out of range")
        offset = timedelta(hours=int(zone[2]), minutes=int(zone[3])) * (-1 if zone[1] == "-" else 1)
        rest = rest[zone.end() :]
    if rest:
        raise ValueSyntaxError(f"parsing time {quote(text)}: extra text: {quote(rest)}")
    return _combine(text, values, offset)


def _combine(text: str, values: dict[str, str], offset: timedelta) -> datetime:
    year, month, day = int(values["2006"]), int(values["01"]), int(values["02"])
    days = calendar.monthrange(max(year, 1), month)[1]
    if not 1 <= day <= days:
        raise ValueSyntaxError(f"parsing time {quote(text)}: day out of range")
    second, _, fraction = values["05"].replace(",", ".").partition(".")
    micro = int(fraction[:6].ljust(6, "0")) if fraction else 0
    if year == 0:
        raise ValueSyntaxError(f"parsing time {quote(text)}: year 0 is not supported")
    moment = datetime(year, month, day, int(values["15"]), int(values["04"]), int(second), micro, UTC)
    try:
        return moment - offset
    except OverflowError as error:
        raise ValueSyntaxError(f"parsing time {quote(text)}: time zone offset out of range") from error


def canonical(text: str) -> str | None:
    """A `Time` as the API writes it: whole seconds, UTC; None for the zero time."""
    if _FAST.fullmatch(text) and text != _ZERO_TIME:
        parse(text)
        return text
    moment = parse(text)
    written = f"{moment.year:04d}{moment.strftime('-%m-%dT%H:%M:%SZ')}"
    return None if written == _ZERO_TIME else written


def canonical_micro(text: str) -> str | None:
    """A `MicroTime` as the API writes it: six digits of a second, UTC; None for the zero time."""
    moment = parse(text, MICRO_TIME_LAYOUT)
    written = f"{moment.year:04d}{moment.strftime('-%m-%dT%H:%M:%S.%fZ')}"
    return None if written == "0001-01-01T00:00:00.000000Z" else written


_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LARGEST_NS = (1 << 63) - 1


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as `1h30m`. Raises ValueSyntaxError with Go's text."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    sign = -1 if text.startswith("-") else 1
    if rest == "0":
        return 0
    if not rest:
        raise ValueSyntaxError(f"time: invalid duration {quote(text)}")
    total = 0
    while rest:
        match = re.match(r"(\d*)(?:\.(\d*))?", rest, re.ASCII)
        if match is None or not (match[1] or match[2]):
            raise ValueSyntaxError(f"time: invalid duration {quote(text)}")
        rest = rest[match.end() :]
        unit = re.match(r"[^0-9.]*", rest)
        name = unit[0] if unit else ""
        if not name:
            raise ValueSyntaxError(f"time: missing unit in duration {quote(text)}")
        scale = _UNITS_NS.get(name)
        if scale is None:
            raise ValueSyntaxError(f"time: unknown unit {quote(name)} in duration {quote(text)}")
        rest = rest[len(name) :]
        fraction = match[2] or ""
        total += int(match[1] or "0") * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)
        if total > _LARGEST_NS:
            raise ValueSyntaxError(f"time: invalid duration {quote(text)}")
    return sign * total


def format_duration(nanos: int) -> str:
    """A duration as Go prints it: `1h30m0s`, `1.5s`, `250ms`, `0s`."""
    if nanos == 0:
        return "0s"
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    for unit, scale in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanos < scale * 1000 and nanos < 1_000_000_000:
            return f"{sign}{_decimal(nanos, scale)}{unit}"
    minutes, rest = divmod(nanos, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    out = f"{_decimal(rest, 1_000_000_000)}s"
    if hours or minutes:
        out = f"{minutes}m{out}"
    return f"{sign}{hours}h{out}" if hours else f"{sign}{out}"


def _decimal(value: int, scale: int) -> str:
    whole, fraction = divmod(value, scale)
    if not fraction:
        return str(whole)
    digits = str(fraction).rjust(len(str(scale)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}"
