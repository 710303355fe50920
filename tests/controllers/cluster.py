"""A real API server, the real controllers and scheduler, and nodes whose kubelet the test plays."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.base.clock import format_time
from podsysctl.base.errors import StatusError
from podsysctl.client.config import ClientConfig
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.controllers.manager import Manager
from podsysctl.controllers.scope import NODES, PODS, Scope
from podsysctl.objects.kinds import Kind, builtin_by_resource
from podsysctl.scheduler.scheduler import Scheduler

Object = dict[str, Any]
EVENTS = builtin_by_resource("", "v1", "events")
TIMEOUT_S = 15.0


class Cluster:
    """One cluster for one test."""

    def __init__(self, server: ApiServer, client: Client) -> None:
        self.server = server
        self.client = client
        self.rejecting: str = ""
        """A message with which every node refuses pods, as the kubelet does for forbidden sysctls."""
        self.refusals = 0

    async def add_node(self, name: str, **labels: str) -> Object:
        """A ready node with room for a hundred pods."""
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        }
        created = await self.client.create(NODES, node)
        created["status"] = {
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "100"},
            "capacity": {"cpu": "8", "memory": "16Gi", "pods": "100"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        }
        return await self.client.update(NODES, created, "status")

    async def kubelet(self) -> None:
        """Play every node: start pods that were bound, finish those that are deleted."""
        informers = InformerSet(self.client)
        pods = informers.informer(PODS)
        queue: asyncio.Queue[Object] = asyncio.Queue()
        pods.add_handler(on_add=queue.put_nowait, on_update=lambda _, new: queue.put_nowait(new))
        async with asyncio.TaskGroup() as group:
            group.create_task(informers.run())
            while True:
                pod = await queue.get()
                with contextlib.suppress(StatusError):
                    await self._play(pod)

    async def _play(self, pod: Object) -> None:
        metadata, status = pod["metadata"], pod.get("status") or {}
        if not pod["spec"].get("nodeName"):
            return
        if metadata.get("deletionTimestamp"):
            await self.client.delete(PODS, metadata["name"], metadata["namespace"], grace_period_s=0)
        elif status.get("phase") == "Pending":
            await self.set_status(pod, self._started(pod))

    def _started(self, pod: Object) -> Object:
        now = format_time(self.server.config.clock.now())
        if self.rejecting:
            self.refusals += 1
            return {
                "phase": "Failed",
                "reason": "SysctlForbidden",
                "message": f"Pod was rejected: {self.rejecting}",
                "startTime": now,
            }
        conditions = [
            {"type": name, "status": "True", "lastTransitionTime": now}
            for name in ("Initialized", "Ready", "ContainersReady")
        ]
        containers = [
            {
                "name": c["name"],
                "ready": True,
                "restartCount": 0,
                "image": c["image"],
                "imageID": "x",
                "state": {"running": {"startedAt": now}},
            }
            for c in pod["spec"]["containers"]
        ]
        return {"phase": "Running", "startTime": now, "conditions": conditions, "containerStatuses": containers}

    async def set_status(self, pod: Object, status: Object) -> Object:
        """Write a pod's status as its node would."""
        metadata = pod["metadata"]
        return await self.client.patch(
            PODS,
            metadata["name"],
            {"status": status},
            namespace=metadata["namespace"],
            patch_type="strategic",
            subresource="status",
        )

    async def pods(self, namespace: str = "default") -> list[Object]:
        """The pods of a namespace that are not being deleted."""
        found = (await self.client.list(PODS, namespace)).items
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    async def events(self, reason: str, namespace: str = "default") -> list[Object]:
        """Events of a reason."""
        return [e for e in (await self.client.list(EVENTS, namespace)).items if e.get("reason") == reason]

    async def get(self, kind: Kind, name: str, namespace: str | None = "default") -> Object | None:
        """An object, or None."""
        try:
            return await self.client.get(kind, name, namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    async def until(self, condition: Callable[[], Awaitable[Any]], timeout_s: float = TIMEOUT_S) -> Any:
        """Wait until a condition gives something true, and return that."""
        last = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    last = await condition()
                    if last:
                        return last
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"the condition did not hold in {timeout_s} s; last: {last!r}") from None


@contextlib.asynccontextmanager
async def running(
    *controllers: Callable[[Scope], Any], scheduler: bool = True, kubelet: bool = True, clock: Any = None
) -> AsyncIterator[Cluster]:
    """A cluster with these controllers running."""
    with tempfile.TemporaryDirectory(prefix="podsysctl-c") as directory:
        async with ApiServer(ServerConfig(Path(directory), port=0)) as server:
            token = (server.config.pki_dir / "admin.token").read_text().strip()
            config = ClientConfig(server=server.url, ca=server.authority.ca_pem, token=token)
            async with Client(config) as client:
                cluster = Cluster(server, client)
                jobs = []
                if controllers:
                    jobs.append(Manager(client, controllers=controllers, time=clock).run())
                if scheduler:
                    jobs.append(Scheduler(client).run())
                if kubelet:
                    jobs.append(cluster.kubelet())
                tasks = [asyncio.create_task(job) for job in jobs]
                try:
                    yield cluster
                    for task in tasks:
                        if task.done():
                            task.result()
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
