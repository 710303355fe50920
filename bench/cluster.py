"""Pods through the whole program beside the raw CRI calls on the same runtime, memory with 100 pods, and start-up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from google.protobuf import json_format
from tests.e2e.cluster import Cluster
from tests.e2e.pods import IMAGE, manifest, pod

from bench import Row, seconds
from podsysctl.client import config as client_config
from podsysctl.client.rest import Client
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService

HELP = "apply to Ready, memory and start-up, beside raw CRI calls and podman"

RUNS = 6
MANY = 20
SETTLE_S = 1.0
PODS = builtin_by_resource("", "v1", "pods")
SYSCTLS = {"net.ipv4.tcp_syncookies": "0"}


def run() -> list[Row]:
    """Start a cluster of our own and measure it."""
    cluster = Cluster()
    began = time.perf_counter()
    cluster.start()
    first_start_s = time.perf_counter() - began
    try:
        with _template(cluster) as recorded:
            rows = [*_one_pod(cluster, recorded), *_twenty_pods(cluster, recorded)]
        rows += [*_memory(cluster), *_start_up(cluster, first_start_s)]
    finally:
        cluster.destroy()
    return rows


def _endpoint(cluster: Cluster) -> str:
    answer = cluster.podsysctl("status", "--data-dir", str(cluster.data_dir), "-o", "json").stdout
    return str(json.loads(answer)["runtimeEndpoint"])


def _until_ready(cluster: Cluster, names: list[str]) -> float:
    """Seconds from the start of `apply` to the last pod's Ready, as one who watches sees it. The pods stay."""
    text = manifest(*[pod(name, sysctls=SYSCTLS) for name in names])
    with subprocess.Popen(
        [*cluster_client(cluster), "get", "pod", "-w", "--no-headers"],
        env=cluster.environment(), stdout=subprocess.PIPE, text=True,
    ) as watch:  # fmt: skip
        assert watch.stdout is not None
        began = time.perf_counter()
        cluster.run([*cluster_client(cluster), "apply", "-f", "-"], input_text=text)
        waiting = set(names)
        while waiting:
            line = watch.stdout.readline()
            if not line:
                raise AssertionError(f"the watch ended before {sorted(waiting)} were Ready")
            words = line.split()
            if words[1:3] == ["1/1", "Running"]:
                waiting.discard(words[0])
        taken = time.perf_counter() - began
        watch.terminate()
    return taken


def _delete(cluster: Cluster, names: list[str]) -> None:
    cluster.run([*cluster_client(cluster), "delete", "pod", *names, "--now"], timeout_s=150)


async def _created_until_ready(cluster: Cluster, names: list[str]) -> float:
    """Seconds from the requests that create pods to the last one's Ready, seen by a client that runs already."""
    async with Client(client_config.load(str(cluster.kubeconfig))) as client:
        version = (await client.list(PODS, "default")).resource_version
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for name in names:
                text = pod(name, sysctls=SYSCTLS)
                text["metadata"]["namespace"] = "default"
                group.create_task(client.create(PODS, text))
        waiting = set(names)
        changes = client.watch(PODS, "default", resource_version=version, timeout_s=60)
        async with contextlib.aclosing(changes):
            async for change in changes:
                conditions = change.object.get("status", {}).get("conditions", ())
                if any(item["type"] == "Ready" and item["status"] == "True" for item in conditions):
                    waiting.discard(change.object["metadata"]["name"])
                    if not waiting:
                        return time.perf_counter() - began
        raise AssertionError(f"pods {sorted(waiting)} are not Ready after 60 s")


def cluster_client(cluster: Cluster) -> list[str]:
    """kubectl where it is installed, since a Python client's own start would be measured otherwise."""
    from tests.e2e.cluster import PODSYSCTL

    return ["kubectl"] if shutil.which("kubectl") else list(PODSYSCTL)


class Medians(NamedTuple):
    """Seconds to the last pod's Ready: by a client that runs already, by one that starts; and the raw calls'."""

    created: float
    applied: float
    raw: float

    def rows(self, what: str, floor: str, target: str, note: str = "") -> list[Row]:
        """The two ways beside the raw calls, and the target of both."""
        raw = f"{floor} {seconds(self.raw)}"
        return [
            Row(
                f"{what}, create request to Ready",
                seconds(self.created),
                f"{raw} ({self.created / self.raw:.2f} ×)",
                target,
            ),
            Row(
                f"{what}, apply to Ready, the client's own start included",
                seconds(self.applied),
                f"{raw} ({self.applied / self.raw:.2f} ×){note}",
                target,
            ),
        ]


def _pods(cluster: Cluster, recorded: Recorded, count: int, workers: int) -> Medians:
    """Pods at once, RUNS times each way, in turn, so that all see the same machine."""
    created, applied, raw = [], [], []
    for run in range(RUNS):
        names = [f"pod-{run}-{index}" for index in range(count)]
        created.append(asyncio.run(_created_until_ready(cluster, names)))
        _delete(cluster, names)
        _settle(recorded)
        applied.append(_until_ready(cluster, names))
        _delete(cluster, names)
        _settle(recorded)
        raw.append(asyncio.run(_raw(recorded, count, workers)))
        _settle(recorded)
    return Medians(statistics.median(created), statistics.median(applied), statistics.median(raw))


def _one_pod(cluster: Cluster, recorded: Recorded) -> list[Row]:
    medians = _pods(cluster, recorded, 1, 1)
    rows = medians.rows("one pod", "raw CRI calls", "1.5 ×", "; Kubernetes 1.36 on a like machine 610 ms")
    if shutil.which("podman"):
        taken = _podman()
        text = "podman kube play failed on this machine" if taken is None else f"podman kube play {seconds(taken)}"
        rows.append(Row("one pod, apply to Ready, beside podman", seconds(medians.applied), text))
    return rows


def _twenty_pods(cluster: Cluster, recorded: Recorded) -> list[Row]:
    return _pods(cluster, recorded, MANY, 4).rows(f"{MANY} pods at once", "raw CRI calls, 4 workers", "1.25 ×")


class Recorded(NamedTuple):
    """A runtime's socket and what was asked there for a pod, but for the labels by which the node knows its own."""

    endpoint: str
    sandbox: cri.PodSandboxConfig
    container: cri.ContainerConfig


@contextlib.contextmanager
def _template(cluster: Cluster) -> Iterator[Recorded]:
    """A pod like the measured ones, which runs meanwhile: its files are mounted by what is made in its likeness."""
    _until_ready(cluster, ["template"])
    try:
        yield asyncio.run(_recorded(_endpoint(cluster)))
    finally:
        _delete(cluster, ["template"])


def _settle(recorded: Recorded) -> None:
    """Wait until the template alone is left, and the kernel has ended what it ends later: it is no one's work."""

    async def count() -> int:
        async with RuntimeService(recorded.endpoint) as runtime:
            return len(await runtime.list_pod_sandbox())

    while asyncio.run(count()) > 1:
        time.sleep(0.1)
    time.sleep(SETTLE_S)


async def _recorded(endpoint: str) -> Recorded:
    """The configurations of the one pod that runs."""
    async with RuntimeService(endpoint) as runtime:
        (sandbox,) = await runtime.list_pod_sandbox()
        (container,) = await runtime.list_containers()
        sandbox_info = (await runtime.pod_sandbox_status(sandbox.id, verbose=True)).info["info"]
        container_info = (await runtime.container_status(container.id, verbose=True)).info["info"]
    recorded = Recorded(
        endpoint,
        json_format.ParseDict(json.loads(sandbox_info)["config"], cri.PodSandboxConfig()),
        json_format.ParseDict(json.loads(container_info)["config"], cri.ContainerConfig()),
    )
    for config in (recorded.sandbox, recorded.container):
        config.ClearField("labels")
        config.ClearField("annotations")
    return recorded


async def _raw(recorded: Recorded, count: int, workers: int) -> float:
    """The runtime alone: the same sandbox, the same container, its start; seconds for all of them.

    All share the template's control group and files: making those for each pod is the agent's work, not the runtime's.
    """
    slots = asyncio.Semaphore(workers)
    with tempfile.TemporaryDirectory(prefix="bench-") as logs:
        async with RuntimeService(recorded.endpoint) as runtime:

            async def one(index: int) -> str:
                name = f"raw{index}-{time.monotonic_ns()}"
                config = cri.PodSandboxConfig()
                config.CopyFrom(recorded.sandbox)
                config.metadata.name = config.metadata.uid = config.hostname = name
                config.log_directory = f"{logs}/{name}"
                async with slots:
                    sandbox = await runtime.run_pod_sandbox(config)
                    created = await runtime.create_container(sandbox, recorded.container, config)
                    await runtime.start_container(created)
                return sandbox

            await runtime.version()  # the connection is there before
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(i)) for i in range(count)]
            taken = time.perf_counter() - began
            for task in tasks:
                await runtime.stop_pod_sandbox(task.result())
                await runtime.remove_pod_sandbox(task.result())
    return taken


def _podman() -> float | None:
    """`podman kube play` of a like pod; None when this machine's podman cannot run one."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        text = Path(folder, "pod.yaml")
        text.write_text(manifest(pod("podman-bench")).replace(IMAGE, "scratch"))
        command = ["podman", "kube", "play", str(text)]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        taken = time.perf_counter() - began
        subprocess.run(["podman", "kube", "down", str(text)], capture_output=True, check=False, timeout=60)
    return taken if done.returncode == 0 else None


def _memory(cluster: Cluster) -> list[Row]:
    """Resident memory of our one process after all that was measured before: idle, and with 100 pods running."""
    idle = _resident_mib(cluster)
    names = [f"m-{i}" for i in range(100)]
    text = manifest(*[pod(name, sysctls=SYSCTLS) for name in names])
    cluster.run([*cluster_client(cluster), "apply", "-f", "-"], input_text=text)
    cluster.run([*cluster_client(cluster), "wait", "--for=condition=Ready", "pod", *names, "--timeout=120s"],
                timeout_s=150)  # fmt: skip
    full = _resident_mib(cluster)
    _delete(cluster, names)
    gone = 2 * RUNS * (1 + MANY)
    peer = "Kubernetes 1.36 on a like machine 666 MB"
    return [
        Row(f"memory, idle, after {gone} pods came and went", f"{idle:.0f} MB", peer, ""),
        Row("memory, 100 pods (API, scheduler, controllers, agent)", f"{full:.0f} MB", "", "120 MB"),
    ]


def _resident_mib(cluster: Cluster) -> float:
    answer = cluster.podsysctl("status", "--data-dir", str(cluster.data_dir), "-o", "json").stdout
    status = Path("/proc", str(json.loads(answer)["pid"]), "status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _start_up(cluster: Cluster, first_s: float) -> list[Row]:
    """From exec to the API's answer and to a Ready node, with the image already there."""
    cluster.podsysctl("down", "--data-dir", str(cluster.data_dir))
    began = time.perf_counter()
    cluster.start()
    again_s = time.perf_counter() - began
    return [
        Row("`up` to node Ready, image built", seconds(again_s), "", "3 s"),
        Row("`up` to node Ready, the very first time", seconds(first_s), "", ""),
    ]
