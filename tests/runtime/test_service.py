from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from podsysctl.base.errors import RuntimeServiceError, UsageError
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.channel import parse_endpoint
from podsysctl.runtime.images.aliases import TOOLBOX
from podsysctl.runtime.service import RuntimeService
from tests.runtime.pods import run_pod, sandbox_config

pytestmark = [pytest.mark.root, pytest.mark.runtime]


async def test_version_of_a_private_containerd_is_cri_v1(runtime: RuntimeService) -> None:
    """The runtime that we start speaks the version that we speak."""
    version = await runtime.version()
    assert (version.runtime_name, version.runtime_api_version) == ("containerd", "v1")


async def test_sandbox_with_sysctls_has_them_and_the_host_does_not(
    runtime: RuntimeService, log_directory: Path
) -> None:
    """The runtime applies pod sysctls in the pod's own namespaces."""
    host = _host_value()
    pod = await run_pod(runtime, log_directory, kernel__shm_rmid_forced="1", net__core__somaxconn="1024")
    result = await runtime.exec_sync(pod.container_id, ["sysctl", "kernel.shm_rmid_forced", "net.core.somaxconn"], 10)
    assert result.stdout.decode() == "kernel.shm_rmid_forced = 1\nnet.core.somaxconn = 1024\n"
    assert _host_value() == host


def _host_value() -> str:
    return Path("/proc/sys/kernel/shm_rmid_forced").read_text()


async def test_sandbox_with_a_refused_value_fails_in_the_runtimes_words(
    runtime: RuntimeService, log_directory: Path
) -> None:
    """A value that the kernel refuses is an error of RunPodSandbox that names the parameter, and leaves nothing."""
    config = sandbox_config(log_directory, net__ipv4__ip_local_port_range="no numbers")
    with pytest.raises(RuntimeServiceError) as caught:
        await runtime.run_pod_sandbox(config)
    assert caught.value.message.startswith("rpc error: code = Unknown desc = failed to ")
    assert "ip_local_port_range" in caught.value.detail
    assert await runtime.list_pod_sandbox() == []


async def test_sandbox_status_verbose_has_pid_and_addresses(runtime: RuntimeService, log_directory: Path) -> None:
    """What the node agent needs to look inside: the process and the pod's addresses."""
    pod = await run_pod(runtime, log_directory)
    answer = await runtime.pod_sandbox_status(pod.sandbox_id, verbose=True)
    assert answer.status.state == cri.SANDBOX_READY
    assert answer.status.network.ip.startswith(("10.", "172.", "100."))
    assert json.loads(answer.info["info"])["pid"] > 1


async def test_container_life_is_seen_in_its_states(runtime: RuntimeService, log_directory: Path) -> None:
    """Created, running, exited with its code, removed."""
    pod = await run_pod(runtime, log_directory, ["bash", "-c", "read line; exit 7"], stdin=True)
    status = (await runtime.container_status(pod.container_id)).status
    assert status.state == cri.CONTAINER_RUNNING
    assert status.started_at >= status.created_at > 0
    await runtime.stop_container(pod.container_id, 0)
    status = (await runtime.container_status(pod.container_id)).status
    assert (status.state, status.exit_code) == (cri.CONTAINER_EXITED, 137)
    assert [c.id for c in await runtime.list_containers(cri.ContainerFilter(pod_sandbox_id=pod.sandbox_id))] == [
        pod.container_id
    ]
    await runtime.remove_container(pod.container_id)
    with pytest.raises(RuntimeServiceError) as caught:
        await runtime.container_status(pod.container_id)
    assert caught.value.code == "NotFound"


async def test_exec_sync_returns_output_and_exit_code(runtime: RuntimeService, log_directory: Path) -> None:
    """Both streams and the code come back, also when the command fails."""
    pod = await run_pod(runtime, log_directory)
    result = await runtime.exec_sync(pod.container_id, ["bash", "-c", "echo out; echo err >&2; exit 3"], 10)
    assert result == (b"out\n", b"err\n", 3)


async def test_exec_sync_out_of_time_is_deadline_exceeded(runtime: RuntimeService, log_directory: Path) -> None:
    """A probe's time limit ends the command, in the words that the kubelet recognises."""
    pod = await run_pod(runtime, log_directory)
    with pytest.raises(RuntimeServiceError) as caught:
        await runtime.exec_sync(pod.container_id, ["sleep", "60"], 1)
    assert caught.value.code == "DeadlineExceeded"


async def test_stats_of_a_running_container_have_memory(runtime: RuntimeService, log_directory: Path) -> None:
    """Usage is reported per container."""
    pod = await run_pod(runtime, log_directory)
    stats = await runtime.container_stats(pod.container_id)
    assert stats.attributes.id == pod.container_id
    assert stats.memory.working_set_bytes.value > 0


async def test_image_status_of_a_missing_image_is_none(runtime: RuntimeService) -> None:
    """Absence is an answer, not an error."""
    assert await runtime.image_status("localhost/podsysctl/nothing:latest") is None
    present = await runtime.image_status(TOOLBOX)
    assert present is not None
    assert present.size > 0


async def test_call_without_a_runtime_is_unavailable(tmp_path: Path) -> None:
    """A runtime that is not there is told from one that refuses."""
    async with RuntimeService(f"unix:///tmp/{tmp_path.name[:20]}-absent.sock") as service:
        with pytest.raises(RuntimeServiceError) as caught:
            await service.version()
    assert caught.value.code == "Unavailable"


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:1", "run/x.sock", "", "unix://relative", "/" + "x" * 107])
def test_endpoint_that_is_no_socket_path_is_refused(text: str) -> None:
    """Only a unix socket whose path fits in an address can be a runtime."""
    with pytest.raises(UsageError):
        parse_endpoint(text)


def test_endpoint_with_the_longest_path_is_accepted() -> None:
    """107 bytes fit, unix(7)."""
    assert len(parse_endpoint("/" + "x" * 106)) == 107


async def test_container_events_tell_of_an_end_when_it_is_seen(runtime: RuntimeService, log_directory: Path) -> None:
    """Whoever is told can read the exit code at once; commands that ran inside are no containers."""
    pod = await run_pod(runtime, log_directory, ["bash", "-c", "read line; exit 7"], stdin=True)

    async def first_end() -> cri.ContainerEventResponse:
        async for event in runtime.container_events():
            if event.container_event_type == cri.CONTAINER_STOPPED_EVENT:
                return event
        raise AssertionError("the events ended")

    async with asyncio.timeout(20):
        waiting = asyncio.create_task(first_end())
        await runtime.exec_sync(pod.container_id, ["true"], 5)
        await runtime.stop_container(pod.container_id, 0)
        event = await waiting
    assert event.container_id == pod.container_id
    assert event.pod_sandbox_status.id == pod.sandbox_id
    assert event.pod_sandbox_status.metadata.uid == pod.sandbox.metadata.uid
    assert dict(event.pod_sandbox_status.labels) == dict(pod.sandbox.labels)
    assert (await runtime.container_status(pod.container_id)).status.state == cri.CONTAINER_EXITED
