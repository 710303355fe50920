"""Ages and moments as kubectl prints them (apimachinery pkg/util/duration, v1.36)."""

from __future__ import annotations

from datetime import UTC, datetime

from podsysctl.base import clock
from podsysctl.client.rest import Object
from podsysctl.objects.duration import human_duration

UNKNOWN = "<unknown>"


def since(stamp: str | None, now: datetime | None = None) -> str:
    """The age of a timestamp on the wire; `<unknown>` for none."""
    if not stamp:
        return UNKNOWN
    return human_duration(((now or datetime.now(UTC)) - clock.parse_time(stamp)).total_seconds())


def age_of(obj: Object, now: datetime | None = None) -> str:
    """The age of an object."""
    return since((obj.get("metadata") or {}).get("creationTimestamp"), now)


def local_time(stamp: str | None) -> str:
    """A timestamp in the person's own time zone, RFC 1123 with offset, as `describe` prints it."""
    if not stamp:
        return "<none>"
    return clock.parse_time(stamp).astimezone().strftime("%a, %d %b %Y %H:%M:%S %z")
