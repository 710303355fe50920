"""Fixtures of the end-to-end tests: one cluster for the session, checked to leave nothing behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, host_state, left_behind


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster; at the end the host must be as it was."""
    if os.geteuid() != 0:
        pytest.skip("needs root: kernel namespaces and a container runtime")
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    before = host_state()
    running = Cluster()
    running.start()
    try:
        yield running
    finally:
        running.destroy()
    assert left_behind(before) == {}


@pytest.fixture
def kubectl(cluster: Cluster) -> Cluster:
    """The cluster, for tests that drive it with the real kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    return cluster


@pytest.fixture
def namespace(kubectl: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace for one test, deleted afterwards."""
    name = "t-" + request.node.name.replace("_", "-").lower()[:50].rstrip("-").split("[")[0]
    kubectl.kubectl("create", "namespace", name)
    yield name
    kubectl.kubectl("delete", "namespace", name, "--timeout=60s")
