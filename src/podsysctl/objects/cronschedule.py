"""How a cron schedule is read: five fields or a descriptor, with the error texts of robfig/cron 3."""

from __future__ import annotations

import re
from typing import NamedTuple

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.objects.gotime import parse_duration
from podsysctl.objects.quote import quote

_MONTHS = {
    month: number
    for number, month in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_DAYS = {day: number for number, day in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class _Bounds(NamedTuple):
    lowest: int
    highest: int
    names: dict[str, int]


_FIELDS = (
    _Bounds(0, 59, {}),
    _Bounds(0, 23, {}),
    _Bounds(1, 31, {}),
    _Bounds(1, 12, _MONTHS),
    _Bounds(0, 6, _DAYS),
)


class Schedule(NamedTuple):
    """The minutes, hours, days, months and weekdays at which a job runs; `every_ns` instead for `@every`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    every_ns: int = 0


def parse_schedule(text: str) -> Schedule:
    """Read a schedule. Raises ValueSyntaxError with the library's text.

    >>> sorted(parse_schedule("*/20 3 * * mon").minutes)
    [0, 20, 40]
    """
    if not text:
        raise ValueSyntaxError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        zone, space, rest = text.partition(" ")
        if not space:
            raise ValueSyntaxError(
                f"invalid schedule format: runtime error: slice bounds out of range [{zone.index('=') + 1}:-1]"
            )
        text = rest.strip()
    if text.startswith("@"):
        return _parse_descriptor(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueSyntaxError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (
        _parse_field(field, bounds) for field, bounds in zip(fields, _FIELDS, strict=True)
    )
    return Schedule(minutes, hours, days, months, weekdays, _has_star(fields[2]), _has_star(fields[4]))


def _parse_descriptor(text: str) -> Schedule:
    if text in _DESCRIPTORS:
        return parse_schedule(_DESCRIPTORS[text])
    if text.startswith("@every "):
        try:
            every = parse_duration(text.removeprefix("@every "))
        except ValueSyntaxError as error:
            raise ValueSyntaxError(f"failed to parse duration {text}: {error.message}") from error
        empty: frozenset[int] = frozenset()
        return Schedule(empty, empty, empty, empty, empty, False, False, every)
    raise ValueSyntaxError(f"unrecognized descriptor: {text}")


def _has_star(field: str) -> bool:
    return any(re.fullmatch(r"[*?](/0*1)?", part) for part in field.split(","))


def _parse_field(field: str, bounds: _Bounds) -> frozenset[int]:
    out: set[int] = set()
    for part in field.split(","):
        if part:
            out.update(_parse_range(part, bounds))
    return frozenset(out)


def _parse_range(text: str, bounds: _Bounds) -> range:
    first, *steps = text.split("/")
    low, *highs = first.split("-")
    if low in ("*", "?"):
        start, end = bounds.lowest, bounds.highest
    else:
        start = _parse_number(low, bounds.names)
        if len(highs) > 1:
            raise ValueSyntaxError(f"too many hyphens: {text}")
        end = _parse_number(highs[0], bounds.names) if highs else start
    if len(steps) > 1:
        raise ValueSyntaxError(f"too many slashes: {text}")
    step = 1
    if steps:
        step = _parse_number(steps[0], {})
        if not highs:
            end = bounds.highest
    if start < bounds.lowest:
        raise ValueSyntaxError(f"beginning of range ({start}) below minimum ({bounds.lowest}): {text}")
    if end > bounds.highest:
        raise ValueSyntaxError(f"end of range ({end}) above maximum ({bounds.highest}): {text}")
    if start > end:
        raise ValueSyntaxError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueSyntaxError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step)


def _parse_number(text: str, known: dict[str, int]) -> int:
    if text.lower() in known:
        return known[text.lower()]
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        reason = f"strconv.Atoi: parsing {quote(text)}: invalid syntax"
        raise ValueSyntaxError(f"failed to parse int from {text}: {reason}")
    number = int(text)
    if number < 0:
        raise ValueSyntaxError(f"negative number ({number}) not allowed: {text}")
    return number
