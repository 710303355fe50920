"""Lengths of time as kubectl prints them (apimachinery pkg/util/duration, v1.36)."""

from __future__ import annotations


def human_duration(seconds: float) -> str:
    """Two units at most, the second one only while it matters.

    >>> [human_duration(s) for s in (-5, 119, 120, 599, 600, 10800, 8 * 3600, 48 * 3600, 8 * 86400, 800 * 86400)]
    ['<invalid>', '119s', '2m', '9m59s', '10m', '3h', '8h', '2d', '8d', '2y70d']
    """
    if seconds < -2:
        return "<invalid>"
    total = max(0, int(seconds))
    minutes, hours, days = total // 60, total // 3600, total // 86400
    years = days // 365
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if years < 2:
        return f"{days}d"
    if years < 8:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(first: int, unit: str, second: int, second_unit: str) -> str:
    return f"{first}{unit}{second}{second_unit}" if second else f"{first}{unit}"
