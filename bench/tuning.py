"""How long it takes until a thousand nodes have other tuning profiles, after all their labels changed at once."""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from bench import Row
from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.client import loop
from podsysctl.client.config import ClientConfig
from podsysctl.client.rest import Client
from podsysctl.controllers.manager import CONTROLLERS, Manager
from podsysctl.controllers.scope import NODES, Scope
from podsysctl.controllers.tuning.controller import NodeTuningController
from podsysctl.objects import tuning

HELP = "tuning profiles recomputed after a label change of all nodes"

NODE_COUNT = 1000
PROFILE_COUNT = 100
IN_FLIGHT = 16
"""Requests at once of whoever changes the labels."""
LABEL = "example.com/tier"
TARGET_S = 10


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _tuned(index: int) -> dict[str, Any]:
    """One Tuned with a profile of ordinary size."""
    values = "\n".join(f"vm.parameter_{key}={index * 100 + key}" for key in range(12))
    data = f"[main]\nsummary=Profile {index}\ninclude=openshift-node\n\n[sysctl]\n{values}\n"
    return {
        "apiVersion": tuning.TUNED.api_version,
        "kind": "Tuned",
        "metadata": {"name": f"t{index}", "namespace": tuning.NAMESPACE},
        "spec": {
            "profile": [{"name": f"p{index}", "data": data}],
            "recommend": [{"profile": f"p{index}", "priority": 20, "match": [{"label": LABEL, "value": str(index)}]}],
        },
    }


def _node(index: int) -> dict[str, Any]:
    labels = {"kubernetes.io/os": "linux", LABEL: str(index % PROFILE_COUNT)}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{index}", "labels": labels}}


async def _all(jobs: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Run the jobs, a few at a time."""
    waiting = iter(list(jobs))

    async def work() -> None:
        for job in waiting:
            await job()

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def _until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(600):
        while True:
            if ready():
                return
            await asyncio.sleep(0.02)


async def _measure(directory: str) -> list[Row]:
    kept: list[NodeTuningController] = []

    def keep(scope: Scope) -> NodeTuningController:
        kept.append(NodeTuningController(scope))
        return kept[0]

    controllers = tuple(keep if make is NodeTuningController else make for make in CONTROLLERS)
    async with ApiServer(ServerConfig(Path(directory), port=0)) as server:
        token = (server.config.pki_dir / "admin.token").read_text().strip()
        config = ClientConfig(server=server.url, ca=server.authority.ca_pem, token=token)
        async with Client(config) as client, Client(config) as own, asyncio.TaskGroup() as group:
            running = group.create_task(Manager(own, controllers=controllers).run())
            profiles = kept[0].profiles.store

            def are_at(offset: int) -> bool:
                return len(profiles) == NODE_COUNT and all(
                    profiles[f"{tuning.NAMESPACE}/n{i}"]["spec"]["config"]["tunedProfile"]
                    == f"p{(i + offset) % PROFILE_COUNT}"
                    for i in range(NODE_COUNT)
                )

            await _until(lambda: bool(kept[0].tuneds.store))
            await _all([lambda i=i: client.create(tuning.TUNED, _tuned(i)) for i in range(PROFILE_COUNT)])
            began_s, cpu_s = time.monotonic(), _cpu_s()
            await _all([lambda i=i: client.create(NODES, _node(i)) for i in range(NODE_COUNT)])
            await _until(lambda: are_at(0))
            created = (time.monotonic() - began_s, _cpu_s() - cpu_s)

            began_s, cpu_s = time.monotonic(), _cpu_s()
            await _all([lambda i=i: client.patch(NODES, f"n{i}", _relabel(i)) for i in range(NODE_COUNT)])
            labelled_s = time.monotonic() - began_s
            await _until(lambda: are_at(1))
            moved = (time.monotonic() - began_s, _cpu_s() - cpu_s)

            began_s, cpu_s = time.monotonic(), _cpu_s()
            edited = {"spec": {"profile": [{"name": "p0", "data": "[main]\nsummary=Another\n"}]}}
            await client.patch(tuning.TUNED, "t0", edited, namespace=tuning.NAMESPACE)
            old = {profile["digest"] for profile in profiles.values()}
            await _until(lambda: old.isdisjoint(profile["digest"] for profile in profiles.values()))
            rewritten = (time.monotonic() - began_s, _cpu_s() - cpu_s)
            running.cancel()
    size = f"{PROFILE_COUNT} profiles, {NODE_COUNT} nodes"
    return [
        Row(f"{size}: created, each with its Profile", _text(*created), "–"),
        Row(
            f"{size}: labels of all changed, every Profile right",
            f"{_text(*moved)}; the last Profile {moved[0] - labelled_s:.1f} s after the last label",
            "–",
            f"≤ {TARGET_S} s",
        ),
        Row(f"{size}: one profile's text changed, every Profile right", _text(*rewritten), "–"),
    ]


def _relabel(index: int) -> dict[str, Any]:
    return {"metadata": {"labels": {LABEL: str((index + 1) % PROFILE_COUNT)}}}


def _text(wall_s: float, cpu_s: float) -> str:
    return f"{wall_s:.1f} s, CPU {cpu_s:.1f} s"


def run() -> list[Row]:
    """API server, all controllers and the one who labels in one process, as on one machine."""
    with tempfile.TemporaryDirectory(prefix="psb-") as directory:
        return loop.run(_measure(directory))
