"""Extensions of a sandbox: called before containers start and before the sandbox stops, and able to fail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime.containerd import PrivateContainerd
from tests.metrics import reading
from tests.node.cluster import is_ready, pod, running_cluster, waiting

pytestmark = [pytest.mark.runtime, pytest.mark.root]


class _Recorder:
    """Remembers its calls; fails the first `failures` additions, or never comes to an end."""

    def __init__(self, failures: int = 0, *, stuck: bool = False) -> None:
        self.failures = failures
        self.stuck = stuck
        self.complete: set[str] = set()
        self.calls: list[tuple[str, str]] = []

    async def added(self, pod: dict[str, Any], sandbox_id: str) -> None:
        self.calls.append(("added", sandbox_id))
        if self.failures:
            self.failures -= 1
            raise PodsysctlError("network net1 is not defined")
        if self.stuck:
            await asyncio.Event().wait()
        self.complete.add(sandbox_id)

    async def is_complete(self, pod: dict[str, Any], sandbox_id: str) -> bool:
        return sandbox_id in self.complete

    async def removing(self, pod_uid: str, sandbox_id: str) -> None:
        self.calls.append(("removing", sandbox_id))


async def test_extension_is_called_around_the_life_of_a_sandbox(containerd: PrivateContainerd) -> None:
    """An extension sees the sandbox before containers start and again before it is stopped."""
    recorder = _Recorder()
    async with running_cluster(containerd, extensions=(recorder,)) as cluster:
        await cluster.start_agent()
        await cluster.create(pod("a"))
        await cluster.wait("a", is_ready)
        [sandbox] = await cluster.sandboxes()
        assert recorder.calls == [("added", sandbox.id)]
        await cluster.delete("a")
        await cluster.wait_gone("a")
        assert ("removing", sandbox.id) in recorder.calls


async def test_extension_that_fails_costs_the_sandbox(containerd: PrivateContainerd) -> None:
    """A failure is told as FailedCreatePodSandBox, the sandbox is stopped, and the pod waits."""
    recorder = _Recorder(failures=1)
    async with running_cluster(containerd, extensions=(recorder,)) as cluster:
        await cluster.start_agent()
        await cluster.create(pod("a"))
        text = await cluster.wait_event("a", "FailedCreatePodSandBox")
        assert text == "Failed to create pod sandbox: network net1 is not defined"
        assert reading.value("podsysctl_refused_pods_total", gate="interface", reason="FailedCreatePodSandBox") >= 1
        await cluster.wait("a", lambda p: waiting(p) == "ContainerCreating")
        assert [kind for kind, _ in recorder.calls[:2]] == ["added", "removing"]


async def test_sandbox_that_an_earlier_agent_left_half_made_is_made_anew(containerd: PrivateContainerd) -> None:
    """An agent that ends between sandbox and networks must not leave a pod that starts without them."""
    stuck, recorder = _Recorder(stuck=True), _Recorder()
    async with running_cluster(containerd, extensions=(stuck,)) as cluster:
        await cluster.start_agent()
        await cluster.create(pod("a"))

        async def is_adding() -> bool:
            return bool(stuck.calls)

        await cluster.until(is_adding, "the sandbox to be made")
        await cluster.stop_agent()
        [(_, half_made)] = stuck.calls
        cluster.extensions = (recorder,)
        await cluster.start_agent()
        await cluster.wait("a", is_ready)
        assert recorder.calls[0] == ("removing", half_made)
        [made] = [sandbox_id for kind, sandbox_id in recorder.calls if kind == "added"]
        assert made != half_made
        assert [sandbox.id for sandbox in await cluster.sandboxes() if sandbox.state == 0] == [made]


async def test_sandbox_with_containers_is_not_judged_again(containerd: PrivateContainerd) -> None:
    """Annotations of a running pod may change; that is no reason to take it away."""
    recorder = _Recorder()
    async with running_cluster(containerd, extensions=(recorder,)) as cluster:
        await cluster.start_agent()
        await cluster.create(pod("a"))
        await cluster.wait("a", is_ready)
        await cluster.stop_agent()
        later = _Recorder()
        cluster.extensions = (later,)
        await cluster.start_agent()
        await cluster.delete("a")
        await cluster.wait_gone("a")
        assert [kind for kind, _ in recorder.calls] == ["added"]
        assert {kind for kind, _ in later.calls} == {"removing"}
