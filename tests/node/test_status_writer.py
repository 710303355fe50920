"""Pod statuses on their way to the API: what is patched, what a conflict means, what survives an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.node import status_patch, status_writer
from podsysctl.node.status_writer import StatusWriter
from podsysctl.node.tasks import Tasks
from tests.node.builders import pod


class _Api:
    """Answers patches with what the test prepared, then with the patched status."""

    def __init__(self, *answers: Exception, found: dict[str, Any] | None = None) -> None:
        self.answers = list(answers)
        self.found = found
        self.patches: list[dict[str, Any]] = []
        self.on_patch: Callable[[], None] | None = None
        """Called once, while a patch is on its way."""

    async def patch(self, kind: Any, name: str, patch: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.patches.append(patch)
        on_patch, self.on_patch = self.on_patch, None
        if on_patch is not None:
            on_patch()
        if self.answers:
            raise self.answers.pop(0)
        return {"metadata": {"resourceVersion": "9"}, "status": patch["status"]}

    async def get(self, kind: Any, name: str, namespace: str) -> dict[str, Any]:
        if self.found is None:
            raise StatusError(404, "NotFound", "gone")
        return self.found


async def _publish(api: Any, *statuses: dict[str, Any]) -> list[str]:
    """Publish statuses one after the other; the uids reported gone."""
    gone: list[str] = []
    async with Tasks() as tasks:
        writer = StatusWriter(api, tasks, gone.append)
        for status in statuses:
            writer.publish(pod(), status)
        await writer.flush("uid-1")
    return gone


async def test_publish_while_busy_sends_only_the_newest_next() -> None:
    """Of several statuses published while one is on its way only the last is sent."""
    api = _Api()
    await _publish(api, *({"phase": f"{n}"} for n in range(5)))
    assert [p["status"]["phase"] for p in api.patches] == ["4"]


async def test_status_published_while_another_is_refused_is_sent() -> None:
    """What the API does not take is given up; the newer status has not been judged."""
    api = _Api(StatusError(422, "Invalid", "no"))
    async with Tasks() as tasks:
        writer = StatusWriter(cast(Any, api), tasks, lambda _: None)
        api.on_patch = lambda: writer.publish(pod(), {"phase": "newer"})
        writer.publish(pod(), {"phase": "refused"})
        await writer.flush("uid-1")
    assert [p["status"]["phase"] for p in api.patches] == ["refused", "newer"]


async def test_missing_pod_is_reported_gone() -> None:
    """A 404 means that the API no longer has the pod."""
    assert await _publish(_Api(StatusError(404, "NotFound", "x")), {"phase": "Running"}) == ["uid-1"]


async def test_conflict_of_another_uid_is_gone_and_of_the_same_is_tried_again(monkeypatch: Any) -> None:
    """A conflict ends a pod only when the API has another one of that name."""
    monkeypatch.setattr(status_writer, "RETRY_S", 0.0)
    conflict = StatusError(409, "Conflict", "x")
    other = {"metadata": {"uid": "uid-2"}}
    assert await _publish(_Api(conflict, found=other), {"phase": "Running"}) == ["uid-1"]
    api = _Api(conflict, found=pod())
    assert await _publish(api, {"phase": "Running"}) == []
    assert len(api.patches) == 2


async def test_outage_keeps_the_status_until_the_api_is_back(monkeypatch: Any) -> None:
    """A server that cannot be reached is tried again, and the status is not lost."""
    monkeypatch.setattr(status_writer, "RETRY_S", 0.0)
    api = _Api(ConnectionFailedError("x"), StatusError(503, "ServiceUnavailable", "y"))
    assert await _publish(api, {"phase": "Running"}) == []
    assert [p["status"]["phase"] for p in api.patches] == ["Running"] * 3


def test_patch_touches_only_what_differs() -> None:
    """Foreign conditions are not sent, changed ones whole, removed ones as deletions, in the wanted order."""
    old = {
        "phase": "Pending",
        "message": "m",
        "conditions": [
            {"type": "example.com/x", "status": "True"},
            {"type": "Ready", "status": "False", "reason": "R"},
            {"type": "PodScheduled", "status": "True"},
        ],
    }
    new = {
        "phase": "Failed",
        "conditions": [{"type": "example.com/x", "status": "True"}, {"type": "Ready", "status": "True"}],
    }
    assert status_patch.build("u", old, new) == {
        "metadata": {"uid": "u"},
        "status": {
            "phase": "Failed",
            "message": None,
            "conditions": [
                {"type": "Ready", "status": "True", "reason": None},
                {"$patch": "delete", "type": "PodScheduled"},
            ],
            "$setElementOrder/conditions": [{"type": "example.com/x"}, {"type": "Ready"}],
        },
    }
    assert status_patch.build("u", new, new) is None


async def test_tasks_isolate_failures_and_end_together() -> None:
    """A task that fails is told about and does not end the others; leaving the context ends them all."""
    told: list[BaseException] = []
    heard, ended = asyncio.Event(), asyncio.Event()

    def tell(error: BaseException) -> None:
        told.append(error)
        heard.set()

    async def fails() -> None:
        raise ValueError("x")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with Tasks() as tasks:
        tasks.spawn("bad", fails(), tell)
        tasks.spawn("good", waits())
        async with asyncio.timeout(5):
            await heard.wait()
        assert not ended.is_set()
    assert ended.is_set()
    assert isinstance(told[0], ValueError)
