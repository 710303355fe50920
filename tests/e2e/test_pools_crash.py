"""Killed with SIGKILL at each step of a rollout and started again, the program finishes the rollout."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from podsysctl.objects import machineconfig as names
from tests.e2e.cluster import Cluster, host_state, left_behind, wait_until
from tests.e2e.pods import manifest, pod
from tests.e2e.test_pools import WORKER, configuration, kubelet_config, settled

pytestmark = pytest.mark.e2e

SETTLE_TIMEOUT_S = 60
LOOK_TIMEOUT_S = 20

Node = dict[str, Any]


@pytest.fixture(scope="module")
def crashing() -> Iterator[Cluster]:
    """One master and two workers, one of which has a pod that takes its time to end."""
    for program in ("containerd", "kubectl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    before = host_state()
    cluster = Cluster("--masters", "1", "--workers", "2")
    cluster.start()
    try:
        wait_until(lambda: settled(cluster, "worker", 2), 60, "two workers in their pool")
        yield cluster
    finally:
        cluster.destroy()
    assert left_behind(before) == {}


def annotation(node: Node, key: str) -> str:
    """One annotation of a node."""
    return str(node["metadata"].get("annotations", {}).get(key, ""))


def behind(node: Node) -> bool:
    """Told to change and not changed yet."""
    return annotation(node, names.DESIRED_CONFIG) != annotation(node, names.CURRENT_CONFIG)


STEPS: dict[str, Callable[[list[Node]], bool]] = {
    "tainted": lambda nodes: any(t["key"] == "UpdateInProgress" for n in nodes for t in n["spec"].get("taints", [])),
    "targeted": lambda nodes: any(behind(n) for n in nodes),
    "working": lambda nodes: any(annotation(n, names.STATE) == names.WORKING for n in nodes),
    "drain-asked": lambda nodes: any(annotation(n, names.DESIRED_DRAIN).startswith("drain-") for n in nodes),
    "cordoned": lambda nodes: any(n["spec"].get("unschedulable") for n in nodes),
    "drained": lambda nodes: any(behind(n) and annotation(n, names.LAST_DRAIN).startswith("drain-") for n in nodes),
    "uncordon-asked": lambda nodes: any(
        behind(n) and annotation(n, names.DESIRED_DRAIN).startswith("uncordon-") for n in nodes
    ),
    "half-done": lambda nodes: len({annotation(n, names.CURRENT_CONFIG) for n in nodes}) == len(nodes),
}
"""What the nodes show when the program is to be killed."""


@pytest.mark.parametrize("step", STEPS)
def test_rollout_killed_at_step_finishes_after_the_start(crashing: Cluster, step: str) -> None:
    """Every worker runs the new configuration, none stays cordoned or tainted, and its state is Done."""
    before = configuration(crashing, "worker")
    name = f"crash-{step}"
    slow = pod(f"slow-{step}", nodeName="worker-0", terminationGracePeriodSeconds=1)
    crashing.kubectl("apply", "-f", "-", input_text=manifest(slow))
    crashing.kubectl("wait", "--for=condition=Ready", f"pod/slow-{step}", "--timeout=30s")
    limit = 300 + list(STEPS).index(step)
    crashing.kubectl("apply", "-f", "-", input_text=manifest(kubelet_config(name, WORKER, maxPods=limit)))
    assert kill_at(crashing, STEPS[step]), f"no worker was seen {step}"
    crashing.start()
    wait_until(
        lambda: settled(crashing, "worker", 2) and configuration(crashing, "worker") != before, SETTLE_TIMEOUT_S,
        f"the rollout after a kill at step {step}",
    )  # fmt: skip
    for node in workers(crashing):
        assert annotation(node, names.STATE) == names.DONE
        assert not node["spec"].get("unschedulable")
        assert not any(t["key"] == "UpdateInProgress" for t in node["spec"].get("taints", []))
        assert node["status"]["capacity"]["pods"] == str(limit)


def workers(cluster: Cluster) -> list[Node]:
    """The worker nodes."""
    found: list[Node] = cluster.get("nodes", "-l", "node-role.kubernetes.io/worker")["items"]
    return found


def kill_at(cluster: Cluster, step: Callable[[list[Node]], bool]) -> bool:
    """Kill the program as soon as its nodes show a step, or when the rollout went by; whether the step was seen."""
    seen: dict[str, Node] = {}
    for node in follow_workers(cluster):
        seen[node["metadata"]["name"]] = node
        if step(list(seen.values())):
            cluster.kill()
            return True
    cluster.kill()
    return False


def follow_workers(cluster: Cluster) -> Iterator[Node]:
    """Every version of every worker as the API sends it, for a while; no short step is overlooked."""
    decoder = json.JSONDecoder()
    command = ["kubectl", "get", "nodes", "-l", "node-role.kubernetes.io/worker", "-w", "-o", "json"]
    with subprocess.Popen(command, env=cluster.environment(), stdout=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        text = ""
        deadline = time.monotonic() + LOOK_TIMEOUT_S
        try:
            while (left_s := deadline - time.monotonic()) > 0:
                if not select.select([watch.stdout], [], [], left_s)[0]:
                    return
                data = os.read(watch.stdout.fileno(), 1 << 20)
                if not data:
                    return
                text += data.decode()
                while text.strip():
                    try:
                        found, end = decoder.raw_decode(text.lstrip())
                    except json.JSONDecodeError:
                        break  # the rest of the object is still to come
                    text = text.lstrip()[end:]
                    yield from found["items"] if found["kind"] == "List" else [found]
        finally:
            watch.kill()
