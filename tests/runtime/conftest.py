from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime.binaries import find_binaries
from podsysctl.runtime.containerd import PrivateContainerd
from podsysctl.runtime.images.local import LocalImages
from podsysctl.runtime.service import RuntimeService
from tests.runtime.pods import leftovers

CGROUPS = ("psctl-tests",)


@pytest.fixture(scope="session")
def runtime_programs() -> None:
    """Skips, saying why, where no private containerd can be started."""
    if os.getuid() != 0:
        pytest.skip("starting a container runtime needs root")
    try:
        asyncio.run(find_binaries())
    except PodsysctlError as error:
        pytest.skip(error.message)


@pytest.fixture
def data_dir(runtime_programs: None) -> Iterator[Path]:
    """A short directory of its own, since socket paths are limited; nothing of it may be left on the host."""
    path = Path(tempfile.mkdtemp(prefix="psr-", dir="/tmp"))
    yield path
    assert leftovers(path, "no bridge is left to look for") == []
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def shared_containerd(runtime_programs: None) -> Iterator[PrivateContainerd]:
    """One containerd with the toolbox for all tests that do not stop it; taken away, and that checked, at the end."""
    path = Path(tempfile.mkdtemp(prefix="psr-", dir="/tmp"))
    containerd = PrivateContainerd(path)

    async def start() -> None:
        await containerd.start()
        async with RuntimeService(containerd.endpoint) as service:
            await LocalImages(service, path / "images").ensure_toolbox()

    asyncio.run(start())
    network = containerd.pod_network()
    assert network is not None
    yield containerd
    asyncio.run(PrivateContainerd(path).destroy(cgroup_parents=CGROUPS))
    assert leftovers(path, network.bridge) == []
    shutil.rmtree(path)


@pytest.fixture
async def runtime(shared_containerd: PrivateContainerd) -> AsyncIterator[RuntimeService]:
    """The shared containerd's CRI; pods that a test leaves are removed after it."""
    async with RuntimeService(shared_containerd.endpoint) as service:
        yield service
        for sandbox in await service.list_pod_sandbox():
            await service.stop_pod_sandbox(sandbox.id)
            await service.remove_pod_sandbox(sandbox.id)


@pytest.fixture
def log_directory(tmp_path: Path) -> Path:
    path = tmp_path / "logs"
    path.mkdir()
    return path
