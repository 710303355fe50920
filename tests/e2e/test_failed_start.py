"""Starts that fail: a first one leaves nothing on the host, a later one keeps what ran before."""

from __future__ import annotations

import os
import shutil
import socket

import pytest

from tests.e2e.cluster import Cluster, host_state, left_behind


@pytest.fixture
def stopped() -> Cluster:
    """A cluster that was never started."""
    if os.geteuid() != 0:
        pytest.skip("needs root: kernel namespaces and a container runtime")
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    return Cluster()


def test_first_start_that_fails_leaves_nothing(stopped: Cluster) -> None:
    """The runtime and its network were there already when the image could not be written."""
    before = host_state()
    archive = stopped.data_dir / "images" / "toolbox.tar"
    archive.mkdir(parents=True)
    try:
        done = stopped.podsysctl("up", "--data-dir", str(stopped.data_dir), "--port", str(stopped.port), check=False)
        assert done.returncode == 1
        error, _, hint = done.stderr.splitlines()
        assert error.startswith("error: ")
        assert str(archive) in error
        assert hint == f"hint: the log is {stopped.data_dir}/podsysctl.log"
        assert left_behind(before) == {}
        assert not (stopped.data_dir / "containerd" / "network.json").exists()
    finally:
        stopped.destroy()


def test_later_start_that_fails_undoes_nothing(stopped: Cluster) -> None:
    """Pods may run, which the next start adopts."""
    before = host_state()
    stopped.start()
    try:
        stopped.kill()
        with socket.create_server(("127.0.0.1", stopped.port)):
            words = ("up", "--data-dir", str(stopped.data_dir), "--port", str(stopped.port))
            done = stopped.podsysctl(*words, check=False)
        assert done.returncode == 1
        assert (stopped.data_dir / "containerd" / "network.json").exists()
    finally:
        stopped.destroy()
    assert left_behind(before) == {}
