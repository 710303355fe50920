"""A node's side of a rollout: what it does with a configuration that does not work, and after a crash."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from podsysctl.base.clock import FakeClock
from podsysctl.base.errors import UsageError
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import Informer
from podsysctl.controllers.machineconfig.kubelet_config import configuration_file
from podsysctl.controllers.machineconfig.operator import MachineConfigOperator
from podsysctl.controllers.scope import DISRUPTION_BUDGETS, NODES, PODS
from podsysctl.node.config_daemon import ConfigDaemon, follow
from podsysctl.objects import machineconfig as names
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]
ROLE = f"{names.NODE_ROLE_PREFIX}worker"
TEXT = 'failed to create kubelet: the sysctls "bad" are unknown'


class Machine:
    """A node whose agent is played: it refuses a configuration that says `broken`, and may hang."""

    def __init__(self, cluster: Cluster, name: str, directory: Path) -> None:
        self.cluster = cluster
        self.name = name
        self.file = directory / name / "kubelet.conf"
        self.file.parent.mkdir()
        self.running: list[str] = []
        """The configurations that the agent was started with, in order."""
        self.hang = asyncio.Event()
        self.hangs = False
        self.tasks: list[asyncio.Task[None]] = []
        self.clock = FakeClock()
        self.daemon: ConfigDaemon

    async def restart(self) -> None:
        """Start the played agent with the file."""
        text = self.file.read_text() if self.file.exists() else ""
        if "broken" in text:
            raise UsageError(TEXT)
        if self.hangs:
            self.hang.set()
            await asyncio.Event().wait()
        self.running.append(text)

    def start(self) -> None:
        """What a start of the process does."""
        recorder = EventRecorder(self.cluster.client, "machineconfigdaemon", self.name)
        nodes = Informer(self.cluster.client, NODES, field_selector=f"metadata.name={self.name}")
        self.daemon = ConfigDaemon(
            self.cluster.client, nodes, self.name, self.file, self.restart, recorder, clock=self.clock
        )
        self.daemon.recover()
        jobs = (recorder.run(), nodes.run(), follow(nodes, {self.name: self.daemon}))
        self.tasks = [asyncio.create_task(job) for job in jobs]

    async def kill(self) -> None:
        """End the process without a chance to tidy up."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def most_pods(self) -> int:
        """The maxPods of the file on disk."""
        return int(yaml.safe_load(self.file.read_text())["maxPods"])

    async def annotation(self, key: str) -> str:
        """One annotation of the Node."""
        return names.annotation(await self.cluster.client.get(NODES, self.name), key)


@contextlib.asynccontextmanager
async def machines(tmp_path: Path, count: int) -> AsyncIterator[tuple[Cluster, list[Machine]]]:
    """An API server, the machine configuration controllers, and workers that run the pool's first configuration."""
    async with running(scheduler=False, kubelet=False) as cluster:
        operator = asyncio.create_task(MachineConfigOperator(cluster.client).run())
        found = [Machine(cluster, f"n{index}", tmp_path) for index in range(count)]
        try:
            for machine in found:
                await cluster.add_node(machine.name, **{ROLE: ""})
                machine.start()
            await cluster.until(lambda: is_updated(cluster, count))
            yield cluster, found
        finally:
            for machine in found:
                await machine.kill()
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)


async def pool(cluster: Cluster) -> Object:
    """The worker pool."""
    return await cluster.client.get(names.POOL, "worker")


async def is_updated(cluster: Cluster, count: int) -> bool:
    """Whether all workers run what the pool wants."""
    found = await cluster.get(names.POOL, "worker", None) or {}
    status, spec = found.get("status") or {}, found.get("spec") or {}
    same = (status.get("configuration") or {}).get("name") == (spec.get("configuration") or {}).get("name")
    return same and status.get("updatedMachineCount") == status.get("readyMachineCount") == count


def machine_config(text: str, name: str = "50-test", path: str = names.KUBELET_CONF_PATH) -> Object:
    """A MachineConfig for the workers with one file."""
    files = [configuration_file(path, text)]
    return {
        "apiVersion": names.MACHINE_CONFIG.api_version,
        "kind": "MachineConfig",
        "metadata": {"name": name, "labels": {names.ROLE_LABEL: "worker"}},
        "spec": {"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": files}}},
    }


def is_true(cluster: Cluster, kind: str) -> Callable[[], Awaitable[Object | None]]:
    """Looks for a condition of the worker pool that is True."""

    async def look() -> Object | None:
        conditions = (await pool(cluster))["status"]["conditions"]
        return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)

    return look


async def test_agent_that_does_not_start_is_rolled_back_and_the_rollout_stops(tmp_path: Path) -> None:
    """The first node keeps its former configuration, says why, is given back; the second is never touched."""
    async with machines(tmp_path, 2) as (cluster, nodes):
        started = [list(node.running) for node in nodes]
        await cluster.client.create(names.MACHINE_CONFIG, machine_config("maxPods: 7\nbroken: true\n"))
        degraded = await cluster.until(is_true(cluster, "Degraded"))
        assert degraded["message"] == f'Node n0 is reporting: "{TEXT}"'
        assert degraded["reason"] == "1 nodes are reporting degraded status on sync"

        async def given_back() -> bool:
            node = await cluster.client.get(NODES, "n0")
            return names.annotation(node, names.LAST_DRAIN).startswith("uncordon-") and not node["spec"].get(
                "unschedulable"
            )

        await cluster.until(given_back)
        assert nodes[0].most_pods() == 250
        assert nodes[0].running == [*started[0], started[0][-1]]
        assert nodes[1].running == started[1]
        wanted = (await pool(cluster))["spec"]["configuration"]["name"]
        assert await nodes[0].annotation(names.DESIRED_CONFIG) == wanted
        assert await nodes[1].annotation(names.DESIRED_CONFIG) != wanted
        events = await cluster.until(lambda: cluster.events("FailedToApplyConfig"))
        assert events[0]["message"] == f"{wanted}: {TEXT}"


async def test_rollout_goes_on_with_a_configuration_that_works(tmp_path: Path) -> None:
    """A node that failed is told the next configuration, and so is the rest of its pool."""
    async with machines(tmp_path, 2) as (cluster, nodes):
        bad = machine_config("maxPods: 7\nbroken: true\n")
        await cluster.client.create(names.MACHINE_CONFIG, bad)
        await cluster.until(is_true(cluster, "Degraded"))
        await cluster.client.patch(names.MACHINE_CONFIG, "50-test", machine_config("maxPods: 8\n"))
        await cluster.until(lambda: is_updated(cluster, 2))
        assert [node.most_pods() for node in nodes] == [8, 8]
        assert [await node.annotation(names.REASON) for node in nodes] == ["", ""]
        assert not await is_true(cluster, "Degraded")()


async def test_going_back_from_a_configuration_that_failed_restarts_nothing(tmp_path: Path) -> None:
    """The node runs the former configuration already: it only says so."""
    async with machines(tmp_path, 1) as (cluster, nodes):
        await cluster.client.create(names.MACHINE_CONFIG, machine_config("broken: true\n"))
        await cluster.until(is_true(cluster, "Degraded"))
        before = list(nodes[0].running)
        await cluster.client.delete(names.MACHINE_CONFIG, "50-test")
        await cluster.until(lambda: is_updated(cluster, 1))
        assert nodes[0].running == before


async def test_crash_while_the_agent_restarts_puts_the_former_configuration_back_first(tmp_path: Path) -> None:
    """Nobody knows yet whether the new one works; after the start it is tried anew and comes into force."""
    async with machines(tmp_path, 1) as (cluster, nodes):
        nodes[0].hangs = True
        await cluster.client.create(names.MACHINE_CONFIG, machine_config("maxPods: 9\n"))
        await asyncio.wait_for(nodes[0].hang.wait(), 15)
        await nodes[0].kill()
        assert nodes[0].most_pods() == 9
        nodes[0].hangs = False
        nodes[0].start()
        assert nodes[0].most_pods() == 250
        await cluster.until(lambda: is_updated(cluster, 1))
        assert nodes[0].most_pods() == 9


async def test_crash_between_failure_and_report_is_reported_after_the_start(tmp_path: Path) -> None:
    """The verdict is on disk: it is not tried again, the node is Degraded with the reason and given back."""
    async with machines(tmp_path, 1) as (cluster, nodes):
        node = nodes[0]
        node.hangs = True
        await cluster.client.create(names.MACHINE_CONFIG, machine_config("maxPods: 9\n"))
        await asyncio.wait_for(node.hang.wait(), 15)
        await node.kill()
        wanted = (await pool(cluster))["spec"]["configuration"]["name"]
        recorder = EventRecorder(cluster.client, "d", node.name)
        daemon = ConfigDaemon(
            cluster.client, Informer(cluster.client, NODES), node.name, node.file, node.restart, recorder
        )
        daemon.recover()
        record = node.file.with_name("machine-config.json")
        record.write_text(f'{{"config": "{daemon.recorded_config()}", "failed": "{wanted}", "reason": "{TEXT[:20]}"}}')
        node.hangs = False
        node.start()
        degraded = await cluster.until(is_true(cluster, "Degraded"))
        assert degraded["message"] == f'Node n0 is reporting: "{TEXT[:20]}"'
        assert node.most_pods() == 250


@pytest.mark.parametrize("source", ["http://elsewhere/kubelet.conf", "data:;base64,!!"])
async def test_rendered_configuration_that_cannot_be_read_degrades_the_node(tmp_path: Path, source: str) -> None:
    """The agent is left alone."""
    async with machines(tmp_path, 1) as (cluster, nodes):
        before = list(nodes[0].running)
        bad = machine_config("x")
        bad["spec"]["config"]["storage"]["files"][0]["contents"]["source"] = source
        await cluster.client.create(names.MACHINE_CONFIG, bad)
        degraded = await cluster.until(is_true(cluster, "Degraded"))
        assert names.KUBELET_CONF_PATH in degraded["message"]
        assert nodes[0].running == before


async def test_budget_that_allows_no_eviction_degrades_the_node_after_an_hour(tmp_path: Path) -> None:
    """Upstream's text, on the node and on the pool; the node stays cordoned, waits on, and finishes once it may."""
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "all", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "labels": {"app": "a"}},
        "spec": {"nodeName": "n0", "containers": [{"name": "c", "image": "x"}]},
    }
    async with machines(tmp_path, 1) as (cluster, nodes):
        node = nodes[0]
        made = await cluster.client.create(PODS, pod)
        await cluster.set_status(made, cluster._started(made))
        await cluster.client.create(DISRUPTION_BUDGETS, budget)
        await cluster.client.create(names.MACHINE_CONFIG, machine_config("maxPods: 9\n"))

        async def is_cordoned() -> bool:
            return bool((await cluster.client.get(NODES, "n0"))["spec"].get("unschedulable"))

        async def is_leaving() -> bool:
            return bool((await cluster.client.get(PODS, "p", "default"))["metadata"].get("deletionTimestamp"))

        await cluster.until(is_cordoned)
        left_s = await node.daemon.reconcile()
        assert left_s == 3600
        node.clock.advance(3599)
        assert await node.daemon.reconcile() == 1
        assert await node.annotation(names.STATE) == names.WORKING
        node.clock.advance(1)
        await node.daemon.reconcile()
        text = "failed to drain node: n0 after 1 hour. Please see machine-config-controller logs for more information"
        degraded = await cluster.until(is_true(cluster, "Degraded"))
        assert degraded["message"] == f'Node n0 is reporting: "{text}"'
        assert await node.annotation(names.REASON) == text
        assert await is_cordoned()
        assert not await is_leaving()
        await cluster.client.delete(DISRUPTION_BUDGETS, "all", "default")
        await cluster.until(is_leaving)
        await cluster.client.delete(PODS, "p", "default", grace_period_s=0)
        await cluster.until(lambda: is_updated(cluster, 1))
        assert (await node.annotation(names.STATE), await node.annotation(names.REASON)) == (names.DONE, "")
        assert node.most_pods() == 9
        assert not await is_cordoned()
