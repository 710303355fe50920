"""The order of waiting pods and when they are tried again."""

import asyncio
from typing import Any

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.scheduler.queue import SchedulingQueue
from tests.scheduler.builders import pod


async def ready(queue: SchedulingQueue) -> list[str]:
    """Names of the pods that come at once."""
    out = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                out.append((await queue.pop()).pod["metadata"]["name"])
        except TimeoutError:
            return out


async def test_pop_highest_priority_first_then_oldest() -> None:
    """Priority decides, then arrival."""
    queue = SchedulingQueue(FakeClock())
    for one in (pod("a"), pod("b", priority=10), pod("c")):
        queue.add(PodInfo(one))
    assert await ready(queue) == ["b", "a", "c"]


async def test_failed_pod_waits_for_a_change_and_its_backoff() -> None:
    """A pod that fits nowhere is tried again when something changes, not before its back-off is over."""
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    waiting = PodInfo(pod("a"))
    queue.add(waiting)
    clock.advance(1)
    assert await ready(queue) == ["a"]
    queue.failed(waiting)
    assert await ready(queue) == []
    queue.something_changed()
    assert await ready(queue) == []
    clock.advance(1)
    assert await ready(queue) == ["a"]
    queue.failed(waiting)
    queue.something_changed()
    clock.advance(1.9)
    assert await ready(queue) == []
    clock.advance(0.2)
    assert await ready(queue) == ["a"]


async def test_pod_that_changes_while_it_is_bound_is_not_handed_out_again() -> None:
    """A second decision would take a second place; the change counts once the first has failed."""
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    first = PodInfo(pod("a"))
    queue.add(first)
    clock.advance(1)
    assert await ready(queue) == ["a"]
    changed = pod("a")
    changed["metadata"]["labels"] = {"new": "yes"}
    queue.update(PodInfo(changed))
    assert await ready(queue) == []
    queue.failed(first)
    clock.advance(1.1)
    assert (await queue.pop()).pod is changed


async def test_failed_pod_is_tried_again_after_five_minutes() -> None:
    """Nothing changed, and still it gets another try."""
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    waiting = PodInfo(pod("a"))
    queue.add(waiting)
    clock.advance(1)
    await ready(queue)
    queue.failed(waiting)
    clock.advance(299)
    assert await ready(queue) == []
    clock.advance(2)
    assert await ready(queue) == ["a"]


async def test_failed_during_a_change_is_not_forgotten() -> None:
    """A change while a decision was made counts for it."""
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    waiting = PodInfo(pod("a"))
    queue.add(waiting)
    clock.advance(1)
    await ready(queue)
    queue.something_changed()
    queue.failed(waiting)
    clock.advance(1)
    assert await ready(queue) == ["a"]


@pytest.mark.parametrize("change", [{"nodeSelector": {"a": "b"}}, {"tolerations": []}])
async def test_update_of_what_decides_tries_again(change: dict[str, Any]) -> None:
    """A waiting pod whose spec changed is tried again after its back-off; a status change does nothing."""
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    waiting = PodInfo(pod("a"))
    queue.add(waiting)
    clock.advance(1)
    await ready(queue)
    queue.failed(waiting)
    queue.update(PodInfo({**waiting.pod, "status": {"phase": "Pending"}}))
    clock.advance(5)
    assert await ready(queue) == []
    queue.update(PodInfo(pod("a", **change)))
    assert await ready(queue) == ["a"]


async def test_remove_pod_never_comes() -> None:
    """A pod that was deleted while it waited is not handed out."""
    queue = SchedulingQueue(FakeClock())
    queue.add(PodInfo(pod("a")))
    queue.remove("default/a")
    assert await ready(queue) == []
    assert len(queue) == 0


async def test_pods_changed_wakes_those_alone_that_mind_others() -> None:
    """A pod on a node may be a companion, and takes room: only pods with terms about others are tried again."""
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    rules = [{"topologyKey": "zone", "labelSelector": {}}]
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": rules}}
    plain, minding = PodInfo(pod("plain")), PodInfo(pod("minding", affinity=affinity))
    for one in (plain, minding):
        queue.add(one)
    assert await ready(queue) == ["plain", "minding"]
    queue.pods_changed()
    for one in (plain, minding):
        queue.failed(one)
    clock.advance(1.1)
    assert await ready(queue) == ["minding"], "the change came while it was decided on"
    queue.failed(minding)
    queue.pods_changed()
    clock.advance(2.1)
    assert await ready(queue) == ["minding"]
