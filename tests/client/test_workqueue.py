"""Work queues: each key once, serial, delayed."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.base.errors import PodsysctlError
from podsysctl.client.workqueue import ShutDownError, WorkQueue


async def test_add_waiting_key_is_given_once() -> None:
    """Many changes of one object are one piece of work."""
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_add_while_working_comes_again_after_done() -> None:
    """No two workers hold one key, and no change is lost."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await queue.get() == "a"


async def test_add_after_gives_the_key_when_due() -> None:
    """A delayed key waits for its time; the earliest of several delays counts."""
    time = FakeClock()
    queue: WorkQueue[str] = WorkQueue(time=time)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    time.advance(4.9)
    queue.release_due()
    assert len(queue) == 0
    time.advance(0.2)
    queue.release_due()
    assert await queue.get() == "a"
    queue.done("a")
    time.advance(30)
    queue.release_due()
    assert len(queue) == 0


async def test_add_rate_limited_doubles_until_forgotten() -> None:
    """Each failure waits twice as long, a success starts over."""
    time = FakeClock()
    queue: WorkQueue[str] = WorkQueue(base_s=1, max_s=4, time=time)
    for delay_s in (1, 2, 4, 4):
        queue.add_rate_limited("a")
        time.advance(delay_s - 0.01)
        queue.release_due()
        assert len(queue) == 0, delay_s
        time.advance(0.02)
        queue.release_due()
        queue.done(await queue.get())
    queue.forget("a")
    queue.add_rate_limited("a")
    time.advance(1)
    queue.release_due()
    assert len(queue) == 1


async def test_get_cancelled_worker_loses_no_key() -> None:
    """A key meant for a worker that was cancelled goes to the next one."""
    queue: WorkQueue[str] = WorkQueue()
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 1) == "a"


async def test_shut_down_ends_waiting_workers() -> None:
    """Workers learn of the end instead of waiting for ever."""
    queue: WorkQueue[str] = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.shut_down()
    with pytest.raises(ShutDownError):
        await waiting


async def test_run_failing_key_is_retried_and_others_go_on() -> None:
    """A failed key comes back later; one key is never worked on twice at once."""
    queue: WorkQueue[str] = WorkQueue(base_s=0.001)
    tries: list[str] = []
    active: set[str] = set()

    async def reconcile(key: str) -> None:
        assert key not in active
        active.add(key)
        await asyncio.sleep(0)
        active.discard(key)
        tries.append(key)
        if tries.count("bad") < 3 and key == "bad":
            raise PodsysctlError("not yet")
        if tries.count("bad") == 3 and tries.count("good") == 1:
            queue.shut_down()

    def retry(key: Hashable, error: PodsysctlError) -> bool:
        return error.message == "not yet"

    queue.add("bad")
    queue.add("good")
    async with asyncio.timeout(5):
        await queue.run(reconcile, workers=3, retry=retry)
    assert sorted(tries) == ["bad", "bad", "bad", "good"]
    assert queue.failures("bad") == 0
