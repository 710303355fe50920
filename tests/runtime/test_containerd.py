from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime import processes
from podsysctl.runtime.containerd import PrivateContainerd
from podsysctl.runtime.images.local import LocalImages
from podsysctl.runtime.service import RuntimeService
from tests.runtime.conftest import CGROUPS
from tests.runtime.pods import leftovers, run_pod

pytestmark = [pytest.mark.root, pytest.mark.runtime]


async def _with_pod(containerd: PrivateContainerd, data_dir: Path) -> str:
    async with RuntimeService(containerd.endpoint) as service:
        await LocalImages(service, data_dir / "images").ensure_toolbox()
        return (await run_pod(service, data_dir / "logs")).container_id


async def _state(containerd: PrivateContainerd, container_id: str) -> int:
    async with RuntimeService(containerd.endpoint) as service:
        return (await service.container_status(container_id)).status.state


async def test_destroy_after_pods_leaves_nothing(data_dir: Path) -> None:
    """Mounts, namespaces, links, rules, processes and cgroups are all gone, and so are the files but images."""
    containerd = PrivateContainerd(data_dir)
    await containerd.start()
    network = containerd.pod_network()
    assert network is not None
    await _with_pod(containerd, data_dir)
    assert leftovers(data_dir, network.bridge)
    await containerd.destroy(cgroup_parents=CGROUPS)
    assert leftovers(data_dir, network.bridge) == []
    assert not (data_dir / "containerd/state").exists()
    assert (data_dir / "containerd/root").exists()
    await containerd.destroy(wipe=True)
    assert not (data_dir / "containerd").exists()


async def test_start_after_stop_finds_the_running_pod(data_dir: Path) -> None:
    """Pods outlive containerd, and are found again."""
    containerd = PrivateContainerd(data_dir)
    assert await containerd.start() is False
    container = await _with_pod(containerd, data_dir)
    await containerd.stop()
    assert containerd.pid is None
    assert await containerd.start() is False
    assert await _state(containerd, container) == cri.CONTAINER_RUNNING
    await containerd.destroy(wipe=True, cgroup_parents=CGROUPS)


async def test_start_beside_a_running_containerd_adopts_it(data_dir: Path) -> None:
    """What a killed process of ours left running is used, not doubled."""
    first = PrivateContainerd(data_dir)
    await first.start()
    second = PrivateContainerd(data_dir)
    assert await second.start() is True
    assert second.pid == first.pid
    await second.destroy(wipe=True)


async def test_destroy_without_start_removes_what_another_process_left(data_dir: Path) -> None:
    """`down` works after a crash of both: pods are still there, neither we nor containerd are."""
    left = PrivateContainerd(data_dir)
    await left.start()
    network = left.pod_network()
    assert network is not None
    await _with_pod(left, data_dir)
    assert left.pid is not None
    os.kill(left.pid, signal.SIGKILL)
    await PrivateContainerd(data_dir).destroy(wipe=True, cgroup_parents=CGROUPS)
    assert leftovers(data_dir, network.bridge) == []


async def test_destroy_with_a_broken_database_still_ends_everything(data_dir: Path) -> None:
    """Even a containerd that cannot start any more leaves no pod behind."""
    others = _shim_sockets()
    left = PrivateContainerd(data_dir)
    await left.start()
    network = left.pod_network()
    assert network is not None
    await _with_pod(left, data_dir)
    await left.stop()
    assert len(_shim_sockets() - others) == 1
    (data_dir / "containerd/root/io.containerd.metadata.v1.bolt/meta.db").write_bytes(b"not a database")
    await PrivateContainerd(data_dir).destroy(wipe=True, cgroup_parents=CGROUPS)
    assert leftovers(data_dir, network.bridge) == []
    assert _shim_sockets() == others


async def test_destroy_with_a_network_that_cannot_be_read_removes_the_rest(data_dir: Path) -> None:
    """It is one step that fails, and the text says which."""
    containerd = PrivateContainerd(data_dir)
    state = data_dir / "containerd" / "state"
    state.mkdir(parents=True)
    (data_dir / "containerd" / "network.json").write_text("")
    with pytest.raises(PodsysctlError, match="the saved pod network cannot be read"):
        await containerd.destroy(cgroup_parents=CGROUPS)
    assert not state.exists()


async def test_log_of_a_containerd_that_runs_on_stays_bounded(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes later is found at the beginning of the same file, and one older part is kept."""
    monkeypatch.setattr("podsysctl.runtime.containerd._LOG_BYTES", 100)
    private = PrivateContainerd(data_dir)
    private.log.parent.mkdir()
    log = os.open(private.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(log, b"x" * 101)
    private._bound_log()
    os.write(log, b"later")
    private._bound_log()
    os.close(log)
    older = private.log.with_name("containerd.log.1")
    assert (private.log.read_text(), older.read_text()) == ("later", "x" * 101)
    assert stat.S_IMODE(older.stat().st_mode) == 0o600


def _shim_sockets() -> set[str]:
    """The sockets of every runtime's shims on this host."""
    directory = Path("/run/containerd/s")
    return {path.name for path in directory.iterdir()} if directory.exists() else set()


async def test_supervise_when_containerd_is_killed_starts_it_again(data_dir: Path) -> None:
    """A containerd that dies is replaced while pods go on running."""
    containerd = PrivateContainerd(data_dir)
    await containerd.start()
    container = await _with_pod(containerd, data_dir)
    killed = containerd.pid
    assert killed is not None
    async with asyncio.TaskGroup() as group:
        group.create_task(containerd.supervise())
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(20):
            while containerd.pid in (None, killed) or not await _answers(containerd):  # noqa: ASYNC110 - bounded
                await asyncio.sleep(0.01)
        assert await _state(containerd, container) == cri.CONTAINER_RUNNING
        await containerd.destroy(wipe=True, cgroup_parents=CGROUPS)


async def _answers(containerd: PrivateContainerd) -> bool:
    async with RuntimeService(containerd.endpoint) as service:
        try:
            await service.version()
        except PodsysctlError:
            return False
    return True


async def test_start_with_a_long_data_directory_uses_a_short_socket(data_dir: Path) -> None:
    """A socket's path has a limit that a directory's has not."""
    deep = data_dir / ("d" * 100)
    deep.mkdir()
    containerd = PrivateContainerd(deep)
    assert containerd.endpoint.startswith("unix:///run/podsysctl-")
    await containerd.start()
    async with RuntimeService(containerd.endpoint) as service:
        assert (await service.version()).runtime_name == "containerd"
    await containerd.destroy(wipe=True)
    assert not containerd.paths.socket.parent.exists()


async def test_start_that_fails_says_why(data_dir: Path) -> None:
    """The error carries containerd's own words."""
    containerd = PrivateContainerd(data_dir)
    (data_dir / "containerd").mkdir()
    (data_dir / "containerd/root").mkdir()
    (data_dir / "containerd/root/io.containerd.metadata.v1.bolt").write_text("in the way")
    with pytest.raises(PodsysctlError, match=r"containerd|does not serve"):
        await containerd.start()
    await containerd.destroy(wipe=True)


def test_find_sees_only_the_process_with_the_argument() -> None:
    """Another containerd on the machine is never taken for ours."""
    assert processes.find("containerd", "/nowhere/config.toml") == []


async def test_start_gives_containers_the_highest_limits_that_we_may_have(data_dir: Path) -> None:
    """A soft limit of the user's shell is not the pods' limit; our own stays."""
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, ours[1]))
    try:
        containerd = PrivateContainerd(data_dir)
        await containerd.start()
        assert containerd.pid is not None
        assert resource.prlimit(containerd.pid, resource.RLIMIT_NOFILE)[1] == ours[1]
        container = await _with_pod(containerd, data_dir)
        async with RuntimeService(containerd.endpoint) as service:
            said = await service.exec_sync(container, ["bash", "-c", "ulimit -Hn; ulimit -n"], 10)
        assert said.stdout.decode().split() == [str(ours[1])] * 2
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1000, ours[1])
        await containerd.destroy(wipe=True, cgroup_parents=CGROUPS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, ours)


async def test_destroy_through_a_symbolic_link_leaves_nothing(data_dir: Path) -> None:
    """The kernel names mounts by their real paths."""
    real = data_dir / "real"
    real.mkdir()
    link = data_dir / "link"
    link.symlink_to(real)
    containerd = PrivateContainerd(link)
    await containerd.start()
    network = containerd.pod_network()
    assert network is not None
    await _with_pod(containerd, data_dir)
    assert containerd.pid is not None
    os.kill(containerd.pid, signal.SIGKILL)
    await PrivateContainerd(link).destroy(wipe=True, cgroup_parents=CGROUPS)
    assert leftovers(data_dir, network.bridge) == []
    assert list(real.iterdir()) == []
