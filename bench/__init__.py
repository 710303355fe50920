"""Benchmarks: each measures this program beside a peer in the same run, and says with which command.

A module `bench/<name>.py` has `HELP` (one line) and `run() -> list[Row]`; `./run bench [NAME ...]` runs them all or
those named. Figures are medians. Nothing here decides whether a change is good; targets are shown beside the figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, our figure, the peer's, and what we aim at; all as text."""

    what: str
    ours: str
    peer: str = ""
    target: str = ""


def median_s(work: Callable[[], object], runs: int) -> float:
    """Median wall time of `work`, in seconds."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def seconds(value: float) -> str:
    """A time for people: 1.23 s, 45 ms.

    >>> seconds(0.0451), seconds(1.234)
    ('45 ms', '1.23 s')
    """
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"
