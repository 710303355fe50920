"""A KubeletConfig that rolls over 100, 300 and 1,000 simulated nodes: this project's own CPU time, wall time, memory.

Five pools share the nodes, ten pods for each node belong to Deployments of fifty, and a tenth of each pool may be out
at once, so every pod is evicted and made again at least once. Beside it stands the same rollout with ten DaemonSets in
their place, whose pods are not drained but judged anew. Everything measured is in one process: API server,
scheduler, controllers, and the nodes themselves.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Cluster
from tests.e2e.pods import IMAGE

from bench import Row, seconds
from podsysctl.client import config
from podsysctl.client.rest import Client
from podsysctl.objects import machineconfig as names
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.objects.simulated import MARK

HELP = "a KubeletConfig rolling over up to 1,000 simulated nodes: CPU, wall time, memory"

SIZES = tuple(int(word) for word in os.environ.get("NODES", "100 300 1000").split())
POOLS = 5
PODS_PER_NODE = 10
REPLICAS = 50
"""Pods of one Deployment."""
TARGET_S = 60
TIMEOUT_S = 800

NODES = builtin_by_resource("", "v1", "nodes")
KINDS = {
    "Deployment": builtin_by_resource("apps", "v1", "deployments"),
    "DaemonSet": builtin_by_resource("apps", "v1", "daemonsets"),
}
LABEL = {"bench": "rollout"}

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one rollout cost; `idle_mib` is the memory with all pods running, before it."""

    cpu_s: float
    wall_s: float
    idle_mib: float
    peak_mib: float


def run() -> list[Row]:
    """One row for each size, smallest first."""
    return [_row(size, _measure(size, "Deployment"), _measure(size, "DaemonSet")) for size in SIZES]


def _row(size: int, evicted: Figures, kept: Figures) -> Row:
    return Row(
        f"rollout over {size:,} simulated nodes in {POOLS} pools, {size * PODS_PER_NODE:,} pods evicted",
        _text(evicted),
        f"no pod evicted: {_text(kept)}",
        f"{TARGET_S} s of CPU" if size == 1000 else "",
    )


def _text(figures: Figures) -> str:
    memory = f"{figures.idle_mib:.0f} MB before, {figures.peak_mib:.0f} MB at most"
    return f"{seconds(figures.cpu_s)} of CPU in {figures.wall_s:.0f} s, {memory}"


def _measure(size: int, owner: str) -> Figures:
    cluster = Cluster("--simulated-nodes", str(size))
    cluster.start()
    try:
        state = json.loads(cluster.podsysctl("status", "--data-dir", str(cluster.data_dir), "-o", "json").stdout)
        return asyncio.run(_roll(str(cluster.kubeconfig), size, owner, Process(state["pid"])))
    finally:
        cluster.destroy()


class Process:
    """What the kernel counts for the program, its children left out."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc", str(pid))

    def cpu_s(self) -> float:
        """User and system time so far."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, key: str = "VmRSS") -> float:
        """Resident memory now, or `VmHWM`, the most since `forget_peak`."""
        lines = (self._proc / "status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(f"{key}:"))) / 1024

    def forget_peak(self) -> None:
        """Start a new VmHWM."""
        (self._proc / "clear_refs").write_text("5")


async def _roll(kubeconfig: str, size: int, owner: str, process: Process) -> Figures:
    async with Client(config.load(kubeconfig)) as client:
        await _make_pools(client, size)
        await _until(lambda: _are_updated(client, size, set()), "the pools")
        await _make_pods(client, size, owner)
        await _until(lambda: _are_running(client, size, owner), "the pods")
        await asyncio.sleep(2)  # let what follows the last pod be over
        before = {pool["status"]["configuration"]["name"] for pool in await _pools(client)}
        process.forget_peak()
        idle_mib, cpu_s, wall_s = process.memory_mib(), process.cpu_s(), time.monotonic()
        await client.create(names.KUBELET_CONFIG, _kubelet_config())
        await _until(lambda: _are_updated(client, size, before), "the rollout")
        await _until(lambda: _are_running(client, size, owner), "the pods after it")
        return Figures(process.cpu_s() - cpu_s, time.monotonic() - wall_s, idle_mib, process.memory_mib("VmHWM"))


async def _until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not await condition():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"{what} took more than {TIMEOUT_S} s")
        await asyncio.sleep(0.5)


async def _make_pools(client: Client, size: int) -> None:
    for index in range(POOLS):
        await client.create(names.POOL, _pool(f"p{index}"))
    for index in range(size):
        labels = {f"{names.NODE_ROLE_PREFIX}p{index % POOLS}": ""}
        await client.patch(NODES, f"simulated-{index}", {"metadata": {"labels": labels}})


async def _make_pods(client: Client, size: int, owner: str) -> None:
    count = size * PODS_PER_NODE // REPLICAS if owner == "Deployment" else PODS_PER_NODE
    for index in range(count):
        await client.create(KINDS[owner], _owner(owner, f"o{index}"))


async def _pools(client: Client) -> list[Object]:
    return (await client.list(names.POOL, label_selector="bench=rollout")).items


async def _are_updated(client: Client, size: int, before: set[str]) -> bool:
    """Whether every node of every pool runs what it should, and that is none of the former configurations."""
    done = 0
    for pool in await _pools(client):
        status = pool.get("status") or {}
        name = (status.get("configuration") or {}).get("name", "")
        wanted = (pool["spec"].get("configuration") or {}).get("name", "")
        if name and name == wanted and name not in before:
            done += int(status.get("updatedMachineCount", 0))
    return done == size


async def _are_running(client: Client, size: int, owner: str) -> bool:
    """Whether all pods are available."""
    owners = (await client.list(KINDS[owner], "default")).items
    field = "availableReplicas" if owner == "Deployment" else "numberAvailable"
    return sum((o.get("status") or {}).get(field, 0) for o in owners) == size * PODS_PER_NODE


def _pool(name: str) -> Object:
    roles = {"key": names.ROLE_LABEL, "operator": "In", "values": ["worker", name]}
    return {
        "apiVersion": names.POOL.api_version,
        "kind": "MachineConfigPool",
        "metadata": {"name": name, "labels": LABEL},
        "spec": {
            "machineConfigSelector": {"matchExpressions": [roles]},
            "nodeSelector": {"matchLabels": {f"{names.NODE_ROLE_PREFIX}{name}": ""}},
            "maxUnavailable": "10%",
        },
    }


def _owner(kind: str, name: str) -> Object:
    labels = {"app": name}
    pod = {"containers": [{"name": "c", "image": IMAGE}], "nodeSelector": {MARK: "true"}}
    spec: Object = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if kind == "Deployment":
        spec["replicas"] = REPLICAS
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _kubelet_config() -> Object:
    return {
        "apiVersion": names.KUBELET_CONFIG.api_version,
        "kind": "KubeletConfig",
        "metadata": {"name": "bench"},
        "spec": {
            "machineConfigPoolSelector": {"matchLabels": LABEL},
            "kubeletConfig": {"allowedUnsafeSysctls": ["kernel.msg*", "net.core.somaxconn"]},
        },
    }
