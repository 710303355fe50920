"""Tasks that live as long as the agent and must not take each other down.

A TaskGroup ends all its tasks when one fails. Here one pod's defect must not stop the other pods, so each task
stands alone: its failure is logged with its traceback and given to whoever asked, and leaving the context cancels
and awaits them all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)

FailureHandler = Callable[[BaseException], None]


class Tasks:
    """An async context that owns tasks; `spawn` gives back what cancels one."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def __aenter__(self) -> Tasks:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def spawn(
        self, name: str, coroutine: Coroutine[Any, Any, Any], on_failure: FailureHandler | None = None
    ) -> Callable[[], None]:
        """Start a task; a failure is logged and given to `on_failure`. Returns the call that cancels it."""
        if self._closed:
            coroutine.close()
            return _nothing
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)

        def ended(done: asyncio.Task[Any]) -> None:
            self._tasks.discard(done)
            if done.cancelled():
                return
            failure = done.exception()
            if failure is None:
                return
            log.error("%s failed", name, exc_info=failure)
            if on_failure is not None:
                on_failure(failure)

        task.add_done_callback(ended)
        return lambda: _cancel(task)

    async def close(self) -> None:
        """Cancel every task and wait for their ends."""
        self._closed = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def _nothing() -> None:
    """Cancel nothing."""
