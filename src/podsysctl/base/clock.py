"""Time as a value that is passed in, so that tests need no sleeping."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What code that needs the time asks for."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards, for intervals."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds that never run backwards, for intervals."""
        return time.monotonic()


class FakeClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """The start time plus what `advance` added."""
        return datetime.fromtimestamp(self._start.timestamp() + self._elapsed_s, UTC)

    def monotonic_s(self) -> float:
        """Seconds added so far."""
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move both clocks on."""
        self._elapsed_s += seconds


def format_time(moment: datetime) -> str:
    """`meta/v1.Time` on the wire: RFC 3339, whole seconds, UTC.

    >>> format_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"  # a tenth of strftime's time


def format_micro_time(moment: datetime) -> str:
    """`meta/v1.MicroTime` on the wire: RFC 3339 with six digits of a second, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def parse_time(text: str) -> datetime:
    """Read either wire form. Raises ValueError on anything else."""
    return datetime.fromisoformat(text)


def shifted(moment: datetime, seconds: float) -> datetime:
    """A time so much later, or earlier when negative; beyond the years 1 to 9999 the first or last that can be written.

    >>> shifted(datetime(2026, 1, 1, tzinfo=UTC), 9_000_000_000_000).year
    9999
    """
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return (datetime.max if seconds > 0 else datetime.min).replace(tzinfo=UTC)
