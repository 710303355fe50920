"""Starting the one event loop of a process."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

YOUNG_OBJECTS = 50_000
"""New objects after which a server looks for cycles. An API object is hundreds of dicts and lists that die by count:
Python's 700 would have it search all the time, a fifth of its work with ten thousand pods."""

_M_ARENA_MAX = -8
"""mallopt(3): how many arenas malloc has. glibc gives each thread its own and returns little of them; ours take turns
by the interpreter's lock, so that one serves them all, with 3 MB less."""


def run(main: Coroutine[Any, Any, T], *, uvloop: bool = True) -> T:
    """Run to completion; on uvloop for servers, and on asyncio's own loop for short commands."""
    if not uvloop:
        return asyncio.run(main)
    import uvloop as uv

    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc's; musl has no arenas
        libc.mallopt(_M_ARENA_MAX, 1)
    with asyncio.Runner(loop_factory=uv.new_event_loop) as runner:
        return runner.run(main)
