"""Work that stops early when something more urgent comes up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from podsysctl.base.errors import PodsysctlError

T = TypeVar("T")


class StepInterruptedError(PodsysctlError):
    """The step was given up, because the pod is to end or to end sooner; the next step follows at once."""

    reason = "StepInterrupted"


async def run_unless(urgent: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when `urgent` is set first. Raises StepInterruptedError then."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    waiter = loop.create_task(urgent.wait())
    try:
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise StepInterruptedError("interrupted")
    finally:
        waiter.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
