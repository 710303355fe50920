"""What a node forgets of pods that are gone: it may run for years."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.base.errors import RuntimeServiceError
from podsysctl.node.agent import Agent
from podsysctl.node.backoff import Backoff
from podsysctl.node.config import AgentConfig
from podsysctl.node.images import ImageError, Images
from tests.node.builders import container, pod


class _Registry:
    """A runtime that can pull nothing."""

    async def image_status(self, _image: str) -> None:
        return None

    async def pull_image(self, _image: str, **_: object) -> str:
        raise RuntimeServiceError("NotFound", "no such image")


def _images(clock: FakeClock) -> Images:
    return Images(cast(Any, _Registry()), cast(Any, None), clock, {}, 1)


async def _pull(images: Images, uid: str) -> str:
    """Why a pod's image cannot be had."""
    body = pod()
    body["metadata"]["uid"] = uid
    with pytest.raises(ImageError) as caught:
        await images.ensure(body, container(image="example.com/none"), lambda *_: None)
    return caught.value.message


async def test_failed_pull_is_told_with_its_reason_while_it_backs_off() -> None:
    """What is remembered is the message of ImagePullBackOff."""
    clock = FakeClock()
    images = _images(clock)
    first = await _pull(images, "a")
    images.forget_old()
    assert first in await _pull(images, "a")


async def test_failed_pulls_of_pods_that_are_gone_are_forgotten() -> None:
    """Nothing stays of a pull that nobody tried again for twice the longest delay."""
    clock = FakeClock()
    images = _images(clock)
    await _pull(images, "gone")
    clock.advance(601)
    await _pull(images, "new")
    images.forget_old()
    assert [key.partition("_")[0] for key in images._previous_error] == ["new"]


async def test_housekeeping_forgets_restart_delays_that_are_over(tmp_path: Path) -> None:
    """Each container of each pod that ever crashed has one."""
    clock = FakeClock()
    backoff, images = Backoff(clock), _images(clock)
    backoff.advance("gone", clock.monotonic_s())
    clock.advance(601)
    backoff.advance("new", clock.monotonic_s())
    cleaned = asyncio.Event()

    async def orphans(_known: set[str]) -> None:
        cleaned.set()

    shared = SimpleNamespace(crash_backoff=backoff, images=images)
    services = SimpleNamespace(cleanup=SimpleNamespace(orphans=orphans), shared=shared)
    agent = Agent(cast(Any, None), cast(Any, None), AgentConfig("node1", tmp_path))
    agent._informer.synced.set()
    task = asyncio.create_task(agent._housekeeping(cast(Any, services)))
    await cleaned.wait()
    await asyncio.sleep(0)
    task.cancel()
    assert (backoff.delay_s("gone"), backoff.delay_s("new")) == (0, 10)
