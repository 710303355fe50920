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
from tests.e2e.cluster import host_state, left_behind
from tests.node.cluster import Cluster, running_cluster


@pytest.fixture(scope="session")
def containerd() -> Iterator[PrivateContainerd]:
    """One containerd with the toolbox for all tests of the node; at the end the host must be as it was.

    Skips, saying why, where none can be started.
    """
    if os.geteuid() != 0:
        pytest.skip("starting a container runtime needs root")
    try:
        asyncio.run(find_binaries())
    except PodsysctlError as error:
        pytest.skip(error.message)
    before = host_state()
    home = Path(tempfile.mkdtemp(prefix="psn-", dir="/tmp"))
    runtime = PrivateContainerd(home)

    async def start() -> None:
        await runtime.start()
        async with RuntimeService(runtime.endpoint) as service:
            await LocalImages(service, home / "images").ensure_toolbox()

    asyncio.run(start())
    yield runtime
    asyncio.run(PrivateContainerd(home).destroy(wipe=True, cgroup_parents=("podsysctl",)))
    shutil.rmtree(home, ignore_errors=True)
    assert left_behind(before) == {}


@pytest.fixture
async def cluster(containerd: PrivateContainerd) -> AsyncIterator[Cluster]:
    """An API server and a running node agent of the test's own."""
    async with running_cluster(containerd) as running:
        await running.start_agent()
        yield running
