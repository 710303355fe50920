from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podsysctl.runtime.service import RuntimeService
from tests.apiserver_streaming.harness import Cluster
from tests.apiserver_streaming.harness import cluster as running_cluster
from tests.runtime.conftest import runtime, runtime_programs, shared_containerd

__all__ = ["runtime", "runtime_programs", "shared_containerd"]


@pytest.fixture
async def cluster(runtime: RuntimeService, tmp_path: Path) -> AsyncIterator[Cluster]:
    """An API server and a node endpoint over the shared containerd."""
    async with running_cluster(runtime, tmp_path) as made:
        yield made


@pytest.fixture(params=[True, False], ids=["websocket", "spdy"])
def kubectl(request: pytest.FixtureRequest, cluster: Cluster) -> Cluster:
    """The cluster, for tests that drive the real kubectl over both of its protocols."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    cluster.websockets = request.param
    return cluster
