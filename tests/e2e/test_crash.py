"""Killed with SIGKILL at random moments, the program loses nothing it acknowledged and leaves nothing behind."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, HostState, host_state, left_behind, wait_until
from tests.e2e.pods import pod

pytestmark = pytest.mark.e2e

PODS = 200
KILLS = 5
SEED = 20261123
SETTLE_TIMEOUT_S = 240


@pytest.fixture
def own_cluster() -> Iterator[tuple[Cluster, HostState]]:
    """A cluster that this test may kill, and the host as it was before."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    before = host_state()
    cluster = Cluster()
    cluster.start()
    try:
        yield cluster, before
    finally:
        cluster.destroy()
    assert left_behind(before) == {}


class Creator(threading.Thread):
    """Creates pods one after the other and remembers which the server acknowledged."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.acknowledged: dict[str, str] = {}

    def run(self) -> None:
        """Create each pod until the server has said yes (or says that it is there already)."""
        for index in range(PODS):
            name = f"p{index:03}"
            body = json.dumps(pod(name, sysctls={"net.ipv4.tcp_syncookies": "0"}))
            while True:
                done = self.cluster.kubectl("create", "-f", "-", "-o", "jsonpath={.metadata.uid}", input_text=body,
                                            check=False)  # fmt: skip
                if done.returncode == 0:
                    self.acknowledged[name] = done.stdout
                    break
                if "already exists" in done.stderr:
                    break  # stored, but the answer was lost with the process: not acknowledged, yet it must be there
                time.sleep(0.1)


def sandboxes_on_disk(cluster: Cluster) -> int:
    """Shim processes of this cluster's containerd: one per live sandbox."""
    listing = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    return sum("containerd-shim" in line and str(cluster.data_dir) in line for line in listing.splitlines())


def test_program_killed_while_pods_are_created_loses_and_leaks_nothing(
    own_cluster: tuple[Cluster, HostState],
) -> None:
    """200 pods, killed five times at random: every acknowledged pod exists and runs; none has two sandboxes."""
    cluster, _ = own_cluster
    moments = random.Random(SEED)
    creator = Creator(cluster)
    creator.start()
    for _ in range(KILLS):
        time.sleep(moments.uniform(1.0, 5.0))
        cluster.kill()
        cluster.start()
    creator.join(timeout=SETTLE_TIMEOUT_S)
    assert not creator.is_alive(), "the pods were not created in time"

    def running() -> dict[str, str] | None:
        items = cluster.get("pods")["items"]
        ready = {p["metadata"]["name"]: p["metadata"]["uid"] for p in items if p["status"]["phase"] == "Running"}
        return ready if len(ready) == PODS else None

    alive = wait_until(running, SETTLE_TIMEOUT_S, f"{PODS} pods Running")
    lost = {name: uid for name, uid in creator.acknowledged.items() if alive.get(name) != uid}
    assert lost == {}
    wait_until(lambda: sandboxes_on_disk(cluster) == PODS, 60, f"{PODS} sandboxes, one for each pod")


def test_running_pod_survives_a_crash_and_is_adopted(own_cluster: tuple[Cluster, HostState]) -> None:
    """The container is the same one after the crash: same id, no restart."""
    cluster, _ = own_cluster
    cluster.kubectl("create", "-f", "-", input_text=json.dumps(pod("kept")))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/kept", "--timeout=30s")
    before = cluster.pod_status("kept")["containerStatuses"][0]
    cluster.kill()
    cluster.start()
    cluster.kubectl("wait", "--for=condition=Ready", "pod/kept", "--timeout=30s")
    after = cluster.pod_status("kept")["containerStatuses"][0]
    assert after["containerID"] == before["containerID"]
    assert after["restartCount"] == 0
    assert cluster.kubectl("exec", "kept", "--", "echo", "alive").stdout == "alive\n"
