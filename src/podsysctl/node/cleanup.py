"""Removes what pods leave: dead containers, old sandboxes, volumes, logs, control groups, and the API object.

Only what carries this node's label is touched, so several agents can share a runtime, and so can others.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.client.rest import Client
from podsysctl.node import cgroups, labels
from podsysctl.node import pod as pods
from podsysctl.node.config import AgentConfig
from podsysctl.node.paths import NodePaths, uid_of_log_directory
from podsysctl.node.runtime_reader import RuntimeReader
from podsysctl.node.runtime_state import CREATED, EXITED, RUNNING, UNKNOWN, ContainerRecord, PodRuntime
from podsysctl.node.status_writer import PODS
from podsysctl.node.stop import Stopper
from podsysctl.node.volumes.manager import Volumes
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService

log = logging.getLogger(__name__)

KEPT_RECORDS = 2
"""Containers kept per name: the present one and the one before, whose end and log people ask for."""

ORPHAN_STOP_S = 2
"""Seconds between stop signal and kill for containers whose pod nobody knows any more."""


class Cleanup:
    """Clean-up for one node."""

    def __init__(
        self,
        client: Client,
        runtime: RuntimeService,
        reader: RuntimeReader,
        stopper: Stopper,
        volumes: Volumes,
        paths: NodePaths,
        config: AgentConfig,
    ) -> None:
        self._stopper = stopper
        self._client = client
        self._runtime = runtime
        self._reader = reader
        self._volumes = volumes
        self._paths = paths
        self._config = config

    async def prune(self, runtime: PodRuntime) -> None:
        """Remove a living pod's older dead containers with their logs, and sandboxes. Raises RuntimeServiceError."""
        seen: dict[str, int] = {}
        for record in list(runtime.containers):
            seen[record.name] = seen.get(record.name, 0) + 1
            if seen[record.name] > KEPT_RECORDS and record.state in (CREATED, EXITED):
                await self._remove_container(record)
                runtime.containers.remove(record)
        in_use = {record.sandbox_id for record in runtime.containers}
        for sandbox in runtime.sandboxes[1:]:
            if not sandbox.ready and sandbox.id not in in_use:
                await self._runtime.remove_pod_sandbox(sandbox.id)
                runtime.sandboxes.remove(sandbox)

    async def _remove_container(self, record: ContainerRecord) -> None:
        """Remove a container, and its log with it (kuberuntime_container.go, removeContainerLog)."""
        await self._runtime.remove_container(record.id)
        self._reader.forget(record.id)
        await asyncio.to_thread(self._remove_log, Path(record.log_path))

    def _remove_log(self, path: Path) -> None:
        """Remove the log of one run and what was rotated of it."""
        if path.is_relative_to(self._paths.logs):
            for part in path.parent.glob(f"{path.name}*"):
                part.unlink(missing_ok=True)

    async def remove_pod(self, runtime: PodRuntime) -> None:
        """Remove every trace of a pod from the node. Raises RuntimeServiceError, KernelError."""
        for record in runtime.containers:
            if record.state in (RUNNING, UNKNOWN):
                await self._runtime.stop_container(record.id, ORPHAN_STOP_S)
            else:
                await self._runtime.end_leftover(record.id)
        for sandbox in runtime.sandboxes:
            if sandbox.ready:
                await self._stopper.sandbox(runtime.uid, sandbox.id)
            await self._runtime.remove_pod_sandbox(sandbox.id)  # its containers go with it
        for record in runtime.containers:
            self._reader.forget(record.id)
        await self._volumes.remove(runtime.uid)
        await asyncio.to_thread(self._remove_files, runtime.uid)

    def _remove_files(self, uid: str) -> None:
        if self._paths.logs.is_dir():
            for directory in self._paths.logs.glob(f"*_{uid}"):
                shutil.rmtree(directory)
        cgroups.remove(uid, self._config)

    async def delete_object(self, pod: pods.Pod) -> None:
        """Remove the pod from the API at last; one that is gone or was replaced is left alone."""
        try:
            await self._client.delete(
                PODS, pods.name(pod), pods.namespace(pod), grace_period_s=0, uid=pods.uid(pod)
            )
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    async def orphans(self, known: Callable[[], Collection[str]]) -> None:
        """Remove whatever belongs to pods that are not known; failures are logged and tried again later.

        `known` is asked after the traces were found and before each is removed: pods begin at any time meanwhile.
        """
        for uid in sorted(await self._traces()):
            if uid in known():
                continue
            log.info("pod %s is gone; removing what it left", uid)
            try:
                await self.remove_pod(await self._reader.read(uid))
            except (PodsysctlError, OSError) as error:
                log.warning("what pod %s left cannot be removed yet: %s", uid, error)

    async def _traces(self) -> set[str]:
        """Uids of all pods that left anything on this node. Raises RuntimeServiceError."""
        selector = {labels.NODE: self._config.node_name}
        sandboxes = await self._runtime.list_pod_sandbox(cri.PodSandboxFilter(label_selector=selector))
        out = {entry.labels[labels.POD_UID] for entry in sandboxes}
        if self._paths.pods.is_dir():
            out |= {path.name for path in self._paths.pods.iterdir()}
        if self._paths.logs.is_dir():
            out |= {uid_of_log_directory(path.name) for path in self._paths.logs.iterdir()}
        out |= cgroups.pod_uids(self._config)
        # Others may label a sandbox as they like: what names no folder of its own would be all pods' folder, or more.
        return {uid for uid in out if uid not in ("", ".", "..") and "/" not in uid}


async def remove_everything(
    client: Client, runtime: RuntimeService, stopper: Stopper, volumes: Volumes, paths: NodePaths, config: AgentConfig
) -> None:
    """Stop and remove every pod of the node from this machine; the API's objects stay. Raises PodsysctlError.

    What one pod keeps from being removed stays, and nothing else.
    """
    reader = RuntimeReader(runtime, config.node_name)
    cleanup = Cleanup(client, runtime, reader, stopper, volumes, paths, config)
    try:
        await cleanup.orphans(tuple)
        selector = {labels.NODE: config.node_name}
        left = await runtime.list_pod_sandbox(cri.PodSandboxFilter(label_selector=selector))
        if left:
            raise PodsysctlError(f"{len(left)} pods of node {config.node_name} could not be removed")
    finally:
        cgroups.remove_node(config)
