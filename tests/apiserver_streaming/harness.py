"""A real API server, a real node endpoint and a real containerd, without the agent between them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podsysctl.apiserver import kubeconfig
from podsysctl.node import labels
from podsysctl.node.server import NodeServer, Tls
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService
from tests.apiserver.api import Api, Done, running
from tests.runtime.pods import Pod, container_config, sandbox_config

NODE = "node1"
COMMAND_TIMEOUT_S = 30


@dataclass
class KnownPods:
    """The node endpoint's view of its pods."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((namespace, name))

    def pods(self) -> Iterable[dict[str, Any]]:
        return self.objects.values()


@dataclass
class Cluster:
    """Everything a client needs to reach a container. `websockets` false makes kubectl speak SPDY."""

    api: Api
    node: NodeServer
    known: KnownPods
    runtime: RuntimeService
    log_directory: Path
    kubeconfig: Path
    websockets: bool = True

    async def run(
        self,
        name: str,
        command: Sequence[str] = ("sleep", "infinity"),
        *,
        stdin: bool = False,
        tty: bool = False,
        mounts: Sequence[str] = (),
    ) -> Pod:
        """Run a pod, and have the API and the node know it as an agent would."""
        sandbox = sandbox_config(self.log_directory)
        sandbox.metadata.name, sandbox.metadata.namespace = name, "default"
        sandbox.labels[labels.POD_UID] = f"uid-{name}"
        sandbox_id = await self.runtime.run_pod_sandbox(sandbox)
        container = container_config(command, stdin=stdin, tty=tty)
        container.labels.update({labels.POD_UID: f"uid-{name}", labels.CONTAINER_NAME: "main"})
        container.log_path = f"{name}.log"
        container.mounts.extend(cri.Mount(container_path=path, host_path=path, readonly=True) for path in mounts)
        container_id = await self.runtime.create_container(sandbox_id, container, sandbox)
        await self.runtime.start_container(container_id)
        state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        await self.declare(name, state, container_id, tty=tty, stdin=stdin)
        return Pod(sandbox_id, container_id, sandbox, self.log_directory / f"{name}.log")

    async def declare(
        self, name: str, state: dict[str, Any] | None, container_id: str = "", *, tty: bool = False, stdin: bool = False
    ) -> None:
        """Make the pod's object in the API, and tell the node endpoint of it."""
        pod = pod_object(name, tty=tty, stdin=stdin)
        await self.api.make("/api/v1/namespaces/default/pods", pod)
        entry = {"name": "main", "ready": True, "restartCount": 0, "image": "toolbox", "imageID": "", "state": state}
        if container_id:
            entry["containerID"] = f"containerd://{container_id}"
        status = {"phase": "Running" if container_id else "Pending", "containerStatuses": [entry] if state else []}
        path = f"/api/v1/namespaces/default/pods/{name}/status"
        reply = await self.api.call("PATCH", path, {"status": status}, media="application/merge-patch+json")
        assert reply.code == 200, reply.body
        # The sandbox was labelled before the API gave the pod its uid.
        reply.body["metadata"]["uid"] = f"uid-{name}"
        self.known.objects[("default", name)] = reply.body

    async def kubectl(self, *arguments: str, stdin: bytes = b"") -> Done:
        """Run the real kubectl as the administrator."""
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            process = await self.start_kubectl(*arguments)
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def start_kubectl(self, *arguments: str, terminal: int | None = None) -> asyncio.subprocess.Process:
        """Start the real kubectl; its streams are pipes, or the terminal given."""
        choice = str(self.websockets).lower()
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.kubeconfig.parent),
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": choice,
            "KUBECTL_PORT_FORWARD_WEBSOCKETS": choice,
        }
        pipe = asyncio.subprocess.PIPE if terminal is None else terminal
        return await asyncio.create_subprocess_exec(
            "kubectl", *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
        )


@asynccontextmanager
async def cluster(runtime: RuntimeService, directory: Path) -> AsyncIterator[Cluster]:
    """Start the API server and the node's endpoint over a runtime."""
    async with running(directory / "api") as api:
        authority = api.server.authority
        credential = authority.serving_credential(["127.0.0.1", NODE])
        known = KnownPods()
        tls = Tls(credential.certificate, credential.key, authority.ca_pem)
        async with NodeServer(runtime, known, tls) as node:
            await api.make("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
            status = {
                "addresses": [{"type": "InternalIP", "address": node.address}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": node.port}},
            }
            path = f"/api/v1/nodes/{NODE}/status"
            reply = await api.call("PATCH", path, {"status": status}, media="application/merge-patch+json")
            assert reply.code == 200, reply.body
            logs = directory / "logs"
            logs.mkdir()
            yield Cluster(api, node, known, runtime, logs, kubeconfig.write_admin(api.server))


def pod_object(name: str, *, tty: bool = False, stdin: bool = False) -> dict[str, Any]:
    """A minimal valid pod on the node."""
    container = {"name": "main", "image": "toolbox", "tty": tty, "stdin": stdin}
    metadata = {"name": name, "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": NODE, "containers": [container]},
    }
