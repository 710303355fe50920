"""One API server, one containerd and one node agent for a test, and what tests ask of them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.base.errors import StatusError
from podsysctl.client.config import ClientConfig
from podsysctl.client.rest import Client
from podsysctl.node import cgroups
from podsysctl.node.agent import Agent, drain
from podsysctl.node.config import AgentConfig, KubeletConfiguration
from podsysctl.node.extension import SandboxExtension
from podsysctl.node.status_writer import PODS
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy.platform import Platform
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime import sweep
from podsysctl.runtime.containerd import PrivateContainerd
from podsysctl.runtime.images.aliases import Aliases
from podsysctl.runtime.service import RuntimeService
from tests import control_groups

EVENTS = builtin_by_resource("", "v1", "events")
TOOLBOX = "localhost/podsysctl/toolbox"
NODE = "node-under-test"
WAIT_S = 30.0
"""Longest wait for something that takes a second on an idle machine."""

Pod = dict[str, Any]


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> Pod:
    """A pod bound to the node, that ends quickly."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeName": NODE,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "containers": list(containers) or [container()],
            **spec,
        },
    }


def container(name: str = "c", *command: str, **fields: Any) -> dict[str, Any]:
    """A container of the toolbox, that sleeps unless told otherwise."""
    return {"name": name, "image": TOOLBOX, "command": list(command) or ["sleep", "INF"], **fields}


def shell(script: str, name: str = "c", **fields: Any) -> dict[str, Any]:
    """A container that runs a script."""
    return container(name, "bash", "-c", script, **fields)


def is_ready(found: Pod) -> bool:
    """Whether the pod's Ready condition holds."""
    return condition(found, "Ready").get("status") == "True"


def condition(found: Pod, kind: str) -> dict[str, Any]:
    """One condition of a pod, empty when it is not there."""
    conditions = found["status"].get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), {})


def state(found: Pod, index: int = 0) -> dict[str, Any]:
    """The state of one container; empty before there is any."""
    statuses = found["status"].get("containerStatuses") or []
    return statuses[index]["state"] if statuses else {}


def waiting(found: Pod) -> str:
    """The reason for which the first container waits."""
    return str(state(found).get("waiting", {}).get("reason", ""))


class Cluster:
    """What a test acts on."""

    def __init__(self, api: ApiServer, client: Client, runtime: RuntimeService, config: AgentConfig) -> None:
        self.api = api
        self.client = client
        self.runtime = runtime
        self.config = config
        self.extensions: tuple[SandboxExtension, ...] = ()
        self.agent: Agent | None = None
        self._task: asyncio.Task[None] | None = None

    async def start_agent(self, **kubelet: Any) -> None:
        """Start the agent and wait until its node is Ready."""
        config = replace(self.config, kubelet=KubeletConfiguration(**kubelet))
        self.agent = Agent(self.client, self.runtime, config, extensions=self.extensions)
        self._task = asyncio.create_task(self.agent.run())
        ready = asyncio.create_task(self.agent.ready.wait())
        await asyncio.wait({self._task, ready}, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()

    async def stop_agent(self) -> None:
        """Stop the agent; its pods go on."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def create(self, body: Pod) -> Pod:
        """Create a pod."""
        return await self.client.create(PODS, body)

    async def get(self, name: str) -> Pod | None:
        """A pod, or None."""
        try:
            return await self.client.get(PODS, name, "default")
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    async def wait(self, name: str, holds: Callable[[Pod], object], timeout_s: float = WAIT_S) -> Pod:
        """The pod as soon as it is as wanted. Fails with its status otherwise."""
        found: Pod | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._check()
                    found = await self.get(name)
                    if found is not None and holds(found):
                        return found
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{name} is not as wanted: {found and found['status']}") from None

    async def wait_gone(self, name: str) -> None:
        """Wait until the API no longer has the pod."""
        async with asyncio.timeout(WAIT_S):
            while await self.get(name) is not None:
                self._check()
                await asyncio.sleep(0.05)

    async def until(self, holds: Callable[[], Awaitable[object]], what: str) -> None:
        """Wait until something holds that nobody tells of."""
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    self._check()
                    if await holds():
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {WAIT_S:g} s") from None

    async def wait_clean(self) -> None:
        """Wait until nothing of any pod is left on the node."""

        async def clean() -> bool:
            return not await self.leftovers()

        await self.until(clean, "nothing is left of the pods")

    def _check(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()

    async def delete(self, name: str, grace_s: int | None = None) -> None:
        """Ask for the pod's deletion."""
        await self.client.delete(PODS, name, "default", grace_period_s=grace_s)

    async def events(self, name: str) -> list[tuple[str, str, str]]:
        """Type, reason and message of the pod's events, oldest first."""
        listed = await self.client.list(EVENTS, "default", field_selector=f"involvedObject.name={name}")
        ordered = sorted(listed.items, key=lambda e: int(e["metadata"]["resourceVersion"]))
        return [(e["type"], e["reason"], e["message"]) for e in ordered]

    async def wait_event(self, name: str, reason: str) -> str:
        """The message of the pod's first event with that reason."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = [message for _, r, message in await self.events(name) if r == reason]
                if found:
                    return found[0]
                await asyncio.sleep(0.05)

    async def execute(self, found: Pod, *command: str, index: int = 0) -> str:
        """What a command inside a container prints."""
        container_id = found["status"]["containerStatuses"][index]["containerID"].removeprefix("containerd://")
        result = await self.runtime.exec_sync(container_id, list(command), 20)
        assert result.exit_code == 0, result
        return result.stdout.decode()

    async def sandboxes(self) -> list[Any]:
        """The node's sandboxes in the runtime."""
        selector = {"podsysctl.dev/node": NODE}
        return await self.runtime.list_pod_sandbox(cri.PodSandboxFilter(label_selector=selector))

    async def leftovers(self) -> list[str]:
        """Everything that pods of this node have left on the machine."""
        root = self.config.root
        out = [entry.id for entry in await self.sandboxes()]
        for directory in (root / "pods", root / "logs"):
            if directory.is_dir():
                out += [str(path) for path in directory.iterdir()]
        return out + sweep.mounts_below(root) + sorted(cgroups.pod_uids(self.config))

    def control_groups(self) -> list[str]:
        """The node's control groups, which stay while the node is there."""
        return [path for path in control_groups.present() if cgroups.top(self.config) in path]


@asynccontextmanager
async def running_cluster(
    containerd: PrivateContainerd,
    extensions: tuple[SandboxExtension, ...] = (),
    platform: Platform = Platform.KUBERNETES,
) -> AsyncIterator[Cluster]:
    """A fresh API server and node on a containerd that runs; afterwards the node must leave nothing."""
    home = Path(tempfile.mkdtemp(prefix="psn-", dir="/tmp"))
    try:
        server_config = ServerConfig(home / "api", port=0, platform=platform)
        async with ApiServer(server_config) as api, RuntimeService(containerd.endpoint) as runtime:
            credential = api.credential("test-admin", "admin", ("system:masters",))
            config = ClientConfig(
                api.url, ca=api.authority.ca_pem, client_cert=credential.certificate, client_key=credential.key
            )
            async with Client(config) as client:
                node = AgentConfig(NODE, home / "node", image_aliases=Aliases({"centos": TOOLBOX}))
                cluster = Cluster(api, client, runtime, node)
                cluster.extensions = extensions
                try:
                    yield cluster
                finally:
                    await cluster.stop_agent()
                    await drain(client, runtime, node)
                    left = await cluster.leftovers() + cluster.control_groups()
        assert left == [], left
    finally:
        shutil.rmtree(home)
