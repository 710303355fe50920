"""What is asked of the runtime after a pod's first pass, and how often it is listed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from podsysctl.base.clock import FakeClock, SystemClock
from podsysctl.base.errors import RuntimeServiceError
from podsysctl.node import labels
from podsysctl.node.pleg import RELIST_S, RELIST_WITH_EVENTS_S, Pleg
from podsysctl.node.runtime_reader import RuntimeReader, log_tail
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService
from tests.node.cluster import Cluster, container, is_ready, pod, shell, state, waiting


class _Runtime:
    """One sandbox and one container, each of which may be gone; lists fail."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock
        self.sandbox: cri.PodSandboxStatus | None = cri.PodSandboxStatus(id="s", state=cri.SANDBOX_READY)
        self.container: cri.ContainerStatus | None = cri.ContainerStatus(id="c", state=cri.CONTAINER_EXITED)

    async def pod_sandbox_status(self, _sandbox_id: str) -> Any:
        return SimpleNamespace(status=self._given(self.sandbox))

    async def container_status(self, _container_id: str) -> Any:
        return SimpleNamespace(status=self._given(self.container))

    def _given(self, status: Any) -> Any:
        if status is None:
            raise RuntimeServiceError("NotFound", "gone")
        return status

    async def list_pod_sandbox(self, _filter: object) -> list[Any]:
        if self.clock is not None:
            self.clock.advance(7.0)
        raise RuntimeServiceError("DeadlineExceeded", "slow")

    list_containers = list_pod_sandbox


async def test_termination_message_that_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    """A container may have a named pipe mounted there from a volume: opening it would stop the whole process."""
    pipe = tmp_path / "message"
    os.mkfifo(pipe)
    runtime = _Runtime()
    assert runtime.container is not None
    runtime.container.annotations[labels.TERMINATION_PATH] = "/message"
    runtime.container.mounts.add(container_path="/message", host_path=str(pipe))
    found = await RuntimeReader(cast(RuntimeService, runtime), "n").read_first("u", "a", "default", "s", ["c"])
    assert found.containers[0].message == f"Error on reading termination log {pipe}: it is not a regular file"


@pytest.mark.parametrize("text", ["a\x0cb", "a\u2028b", "a\rb", "a\x85b"])
def test_log_tail_keeps_what_only_looks_like_the_end_of_a_line(tmp_path: Path, text: str) -> None:
    """One line of the log is one line of the file."""
    log = tmp_path / "0.log"
    lines = [f"2026-01-01T00:00:00Z stderr F {line}\n" for line in ("first", text, "last")]
    log.write_bytes("".join(lines).encode())
    assert log_tail(log) == f"first\n{text}\nlast\n"


async def test_first_read_tells_what_became_of_the_sandbox_and_its_containers() -> None:
    """What ended, or went, since it was made is seen without a list."""
    runtime = _Runtime()
    reader = RuntimeReader(cast(RuntimeService, runtime), "n")
    found = await reader.read_first("u", "a", "default", "s", ["c"])
    assert (found.uid, found.name, found.namespace) == ("u", "a", "default")
    assert [(s.id, s.ready) for s in found.sandboxes] == [("s", True)]
    assert [(c.id, c.state, c.sandbox_id) for c in found.containers] == [("c", "exited", "s")]
    runtime.sandbox = cri.PodSandboxStatus(id="s", state=cri.SANDBOX_NOTREADY)
    assert not (await reader.read_first("u", "a", "default", "s", [])).sandboxes[0].ready
    runtime.sandbox = None
    assert (await reader.read_first("u", "a", "default", "s", [])).sandboxes == []


@pytest.mark.runtime
@pytest.mark.root
async def test_pod_is_listed_only_when_its_first_pass_fails(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a failed one it is not known how far it came."""
    listed = []
    ask = cluster.runtime.list_pod_sandbox

    async def list_pod_sandbox(wanted: Any = None) -> Any:
        listed.append(wanted.label_selector.get(labels.POD_UID))
        return await ask(wanted)

    async def relist(self: Pleg) -> None:
        """Nothing is noticed but by the pod's own worker."""

    monkeypatch.setattr(Pleg, "relist", relist)
    monkeypatch.setattr(cluster.runtime, "list_pod_sandbox", list_pod_sandbox)
    good = (await cluster.create(pod("good", container("one"), container("two"))))["metadata"]["uid"]
    bad = (await cluster.create(pod("bad", container("one"), shell("x", "two", command=["/none"]))))["metadata"]["uid"]
    ready = await cluster.wait("good", is_ready)
    assert ready["status"]["podIP"]
    await cluster.wait("bad", lambda p: "running" in state(p))
    assert "no such file" in (await cluster.wait_event("bad", "Failed"))
    assert good not in listed
    assert bad in listed
    assert waiting(ready) == ""


async def test_list_that_fails_slowly_is_not_repeated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the time of failed lists counts for the pause after them."""
    clock = FakeClock()
    pleg = Pleg(cast(RuntimeService, _Runtime(clock)), "n", clock, lambda _: None)
    paused: list[float] = []

    async def wait(shortest_s: float) -> None:
        paused.append(shortest_s)
        raise asyncio.CancelledError

    monkeypatch.setattr(pleg, "_wait", wait)
    with pytest.raises(asyncio.CancelledError):
        await pleg.run()
    assert paused == [RELIST_S]


class _Streaming:
    """A runtime whose events end when told, after one of them."""

    def __init__(self) -> None:
        self.listed, self.heard, self.ends = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def container_events(self) -> AsyncIterator[cri.ContainerEventResponse]:
        yield cri.ContainerEventResponse()
        self.heard.set()
        await self.ends.wait()
        raise RuntimeServiceError("Unavailable", "it restarts")

    async def list_pod_sandbox(self, _filter: object) -> list[Any]:
        self.listed.set()
        return []

    async def list_containers(self, _filter: object) -> list[Any]:
        return []


async def test_list_follows_the_end_of_the_events() -> None:
    """While the runtime restarts a container may end, of which no event ever tells: it is not waited half a minute."""
    runtime = _Streaming()
    pleg = Pleg(cast(RuntimeService, runtime), "n", SystemClock(), lambda _: None)
    following = asyncio.create_task(pleg.follow_events())
    await runtime.heard.wait()
    pleg._interval_s = RELIST_WITH_EVENTS_S  # where it is after some lists
    listing = asyncio.create_task(pleg.run())
    await runtime.listed.wait()
    for _ in range(10):
        await asyncio.sleep(0)  # it waits for the next one
    runtime.listed.clear()
    runtime.ends.set()
    async with asyncio.timeout(10):
        await runtime.listed.wait()
    for task in (following, listing):
        task.cancel()
