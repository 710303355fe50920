"""What a start leaves whose caller was killed: CRI says that nothing runs, and containerd has a task."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from pathlib import Path

import pytest

from podsysctl.base.errors import RuntimeServiceError
from podsysctl.runtime import commands, containerd_tasks
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.containerd import PrivateContainerd
from podsysctl.runtime.service import RuntimeService
from tests.runtime.pods import container_config, run_pod, sandbox_config

pytestmark = [pytest.mark.root, pytest.mark.runtime]

CUT_STARTS = 40
LATEST_CUT_S = 0.2
"""A start takes less; the moment at which one is cut off decides what stays of it."""
REMOVAL_S = 20
"""Time for the runtime to undo the starts that were cut off; most of it takes milliseconds."""


async def _ctr(containerd: PrivateContainerd, *words: str) -> str:
    """What containerd itself says, below its CRI."""
    return await commands.run("ctr", "--address", str(containerd.paths.socket), "--namespace", "k8s.io", *words)


async def _state(runtime: RuntimeService, container_id: str) -> int:
    [container] = await runtime.list_containers(cri.ContainerFilter(id=container_id))
    return container.state


def _processes_in(group: str) -> list[str]:
    """What runs in a control group or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if group in (process / "cgroup").read_text():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


async def _created_with_task(containerd: PrivateContainerd, runtime: RuntimeService, logs: Path) -> tuple[str, str]:
    """A container that CRI never started and that runs all the same; the sandbox's id and its own."""
    sandbox = sandbox_config(logs)
    sandbox_id = await runtime.run_pod_sandbox(sandbox)
    container_id = await runtime.create_container(sandbox_id, container_config(["sleep", "infinity"]), sandbox)
    await _ctr(containerd, "task", "start", "--detach", "--null-io", container_id)
    assert await _state(runtime, container_id) == cri.CONTAINER_CREATED
    return sandbox_id, container_id


async def _exited_with_task(containerd: PrivateContainerd, runtime: RuntimeService, logs: Path) -> tuple[str, str]:
    """A container whose end CRI has seen and that runs all the same; the sandbox's id and its own."""
    pod = await run_pod(runtime, logs, ["bash", "-c", "mkdir /first && sleep 1 && exit; exec sleep infinity"])
    async for event in runtime.container_events():
        if event.container_id == pod.container_id:
            break
    assert await _state(runtime, pod.container_id) == cri.CONTAINER_EXITED
    await _ctr(containerd, "task", "start", "--detach", "--null-io", pod.container_id)
    return pod.sandbox_id, pod.container_id


@pytest.fixture(params=[_created_with_task, _exited_with_task], ids=["created", "exited"])
async def leftover(
    request: pytest.FixtureRequest, shared_containerd: PrivateContainerd, runtime: RuntimeService, log_directory: Path
) -> tuple[str, str]:
    """Sandbox and container, with a running task that CRI does not know of."""
    ids: tuple[str, str] = await request.param(shared_containerd, runtime, log_directory)
    assert ids[1] in await _ctr(shared_containerd, "task", "list", "--quiet")
    return ids


async def test_stop_container_of_a_leftover_task_leaves_it_running(
    shared_containerd: PrivateContainerd, runtime: RuntimeService, leftover: tuple[str, str]
) -> None:
    """CRI has no way out of this state, which is why containerd's own service is asked."""
    sandbox_id, container_id = leftover
    await runtime.stop_container(container_id, 0)
    await runtime.stop_pod_sandbox(sandbox_id)
    assert container_id in await _ctr(shared_containerd, "task", "list", "--quiet")


async def test_remove_container_with_a_leftover_task_removes_both(
    shared_containerd: PrivateContainerd, runtime: RuntimeService, leftover: tuple[str, str]
) -> None:
    """Neither the container nor its process stays."""
    _, container_id = leftover
    await runtime.remove_container(container_id)
    assert await runtime.list_containers(cri.ContainerFilter(id=container_id)) == []
    assert container_id not in await _ctr(shared_containerd, "task", "list", "--quiet")


async def test_remove_pod_sandbox_with_a_leftover_task_removes_all(
    shared_containerd: PrivateContainerd, runtime: RuntimeService, leftover: tuple[str, str]
) -> None:
    """A pod can be removed whatever state a killed caller left its containers in."""
    sandbox_id, container_id = leftover
    await runtime.remove_pod_sandbox(sandbox_id)
    assert await runtime.list_pod_sandbox() == []
    assert container_id not in await _ctr(shared_containerd, "task", "list", "--quiet")


async def test_end_leftover_ends_the_task_and_keeps_the_container(
    shared_containerd: PrivateContainerd, runtime: RuntimeService, leftover: tuple[str, str]
) -> None:
    """What CRI says of the container stays true, and becomes the whole truth. A second time there is nothing."""
    _, container_id = leftover
    before = await _state(runtime, container_id)
    assert await containerd_tasks.end(runtime, container_id)
    assert container_id not in await _ctr(shared_containerd, "task", "list", "--quiet")
    assert await _state(runtime, container_id) == before
    assert not await containerd_tasks.end(runtime, container_id)


async def test_start_cut_off_at_any_moment_leaves_a_removable_sandbox(
    shared_containerd: PrivateContainerd, runtime: RuntimeService, log_directory: Path
) -> None:
    """A connection that closes in the midst of StartContainer, early or late, costs no sandbox and no process."""
    sandbox = sandbox_config(log_directory)
    sandbox_id = await runtime.run_pod_sandbox(sandbox)
    numbers = itertools.count()

    async def cut_off() -> None:
        number = next(numbers)
        config = container_config(["sleep", "infinity"])
        config.metadata.attempt = number
        container_id = await runtime.create_container(sandbox_id, config, sandbox)
        async with RuntimeService(shared_containerd.endpoint) as caller:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(number * LATEST_CUT_S / CUT_STARTS):
                    await caller.start_container(container_id)

    for _ in range(CUT_STARTS // 4):
        await asyncio.gather(*(cut_off() for _ in range(4)))
    refusal = ""
    deadline_s = time.monotonic() + REMOVAL_S
    while await runtime.list_pod_sandbox() and time.monotonic() < deadline_s:
        try:
            await runtime.remove_pod_sandbox(sandbox_id)
        except RuntimeServiceError as error:  # a start that was cut off is still being undone
            refusal = error.message
            await asyncio.sleep(0.1)
    assert await runtime.list_pod_sandbox() == [], refusal
    assert await _ctr(shared_containerd, "task", "list", "--quiet") == ""
    assert _processes_in(f"psctl-tests/{sandbox.metadata.name}/") == []
