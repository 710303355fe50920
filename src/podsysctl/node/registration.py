"""Registers the node and keeps it alive: Node object, status updates, Lease heartbeat (kubelet_node_status.go)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from podsysctl.base.clock import Clock, format_micro_time, format_time
from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, StatusError
from podsysctl.client.events import Recorder
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.node import events, node_status
from podsysctl.node.config import AgentConfig
from podsysctl.node.machine import Machine
from podsysctl.node.runtime_facts import ReadFacts
from podsysctl.objects.kinds import builtin_by_resource

log = logging.getLogger(__name__)

NODES = builtin_by_resource("", "v1", "nodes")
LEASES = builtin_by_resource("coordination.k8s.io", "v1", "leases")
LEASE_NAMESPACE = "kube-node-lease"
RETRY_S = 1.0


class Registration:
    """The Node object of one agent; `read_facts` tells of what runs its pods."""

    def __init__(
        self,
        client: Client,
        read_facts: ReadFacts,
        recorder: Recorder,
        config: AgentConfig,
        machine: Machine,
        addresses: tuple[str, ...],
        clock: Clock,
    ) -> None:
        self._client = client
        self._read_facts = read_facts
        self._recorder = recorder
        self._config = config
        self._machine = machine
        self._addresses = addresses
        self._clock = clock
        self._reported_s = 0.0
        self._changed = asyncio.Event()
        self._lease: dict[str, Any] | None = None
        self.node: dict[str, Any] = {}

    async def follow(self) -> None:
        """Keep `node` as the API has it, until cancelled."""
        informer = Informer(self._client, NODES, field_selector=f"metadata.name={self._config.node_name}")
        informer.add_handler(on_add=self.seen, on_update=lambda _, new: self.seen(new))
        await informer.run()

    def seen(self, node: dict[str, Any]) -> None:
        """Take over the Node as the API has it now."""
        self.node = node

    def reconfigure(self, config: AgentConfig) -> None:
        """Report with this configuration from now on."""
        self._config = config

    async def register(self, annotations: Mapping[str, str] | None = None) -> None:
        """Create the Node, or take over the one there is, and write its first status. Raises StatusError.

        `annotations` are written with the status.
        """
        wanted = node_status.initial(self._config, self._machine)
        while True:
            try:
                if not self.node:
                    self.node = await self._create_or_adopt(wanted)
                    self._event("Normal", events.STARTING, "Starting kubelet.")
                await self.report(force=True, annotations=annotations)
            except ConnectionFailedError as error:
                log.warning("node not registered yet: %s", error.message)
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _create_or_adopt(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        name = self._config.node_name
        try:
            return await self._client.create(NODES, dict(wanted))
        except StatusError as error:
            if error.code != 409:
                raise
        found = await self._client.get(NODES, name)
        labels = found["metadata"].get("labels") or {}
        ours = node_status.default_labels(self._config, self._machine)
        missing = {k: v for k, v in ours.items() if labels.get(k) != v}
        if not missing:
            return found
        return await self._client.patch(NODES, name, {"metadata": {"labels": missing}})

    def status_changed(self) -> None:
        """Something that the status shows changed: report without waiting for the interval."""
        self._changed.set()

    async def report_loop(self) -> None:
        """Write the status when it changes, and now and then when it does not, until cancelled."""
        kubelet = self._config.kubelet
        while True:
            try:
                async with asyncio.timeout(kubelet.node_status_update_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self.report()
            except PodsysctlError as error:
                log.warning("node status not written: %s", error.message)

    async def report(self, *, force: bool = False, annotations: Mapping[str, str] | None = None) -> None:
        """Write the status if it is due, and with it annotations. Raises StatusError, ConnectionFailedError."""
        now_s = self._clock.monotonic_s()
        old = self.node.get("status") or {}
        now = format_time(self._clock.now())
        facts = await self._read_facts()
        new = node_status.status(self._config, self._machine, facts, self._addresses, old, now)
        due = now_s - self._reported_s >= self._config.kubelet.node_status_report_s
        if not (force or due or node_status.differs(old, {**old, **new})):
            return
        patch: dict[str, Any] = {"status": new}
        if annotations:
            patch["metadata"] = {"annotations": dict(annotations)}
        self.node = await self._client.patch(
            NODES, self._config.node_name, patch, subresource="status", patch_type="merge"
        )
        self._reported_s = now_s
        self._transitions(old, new)

    def _transitions(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        before = {c["type"]: c["status"] for c in old.get("conditions") or ()}
        for condition in new["conditions"]:
            if condition["type"] == "Ready" and before.get("Ready") != condition["status"]:
                reason = "NodeReady" if condition["status"] == "True" else "NodeNotReady"
            elif condition["type"] != "Ready" and condition["type"] not in before:
                reason = condition["reason"].replace("Kubelet", "Node")
            else:
                continue
            self._event("Normal", reason, f"Node {self._config.node_name} status is now: {reason}")

    def _event(self, kind: str, reason: str, message: str) -> None:
        # The kubelet's events of its node carry the node's name as uid; describe node finds them by it.
        name = self._config.node_name
        self._recorder.event({"kind": "Node", "name": name, "uid": name}, kind, reason, message)

    async def lease_loop(self) -> None:
        """Renew the node's lease at a quarter of its life, until cancelled."""
        while True:
            try:
                await self.renew()
                wait_s = self._config.kubelet.lease_duration_s / 4
            except (StatusError, ConnectionFailedError) as error:
                log.info("lease not renewed: %s", error.message)
                wait_s = RETRY_S
            await asyncio.sleep(wait_s)

    async def renew(self) -> None:
        """Renew the node's lease once. Raises StatusError, ConnectionFailedError; the next try starts afresh."""
        lease, self._lease = self._lease, None
        name = self._config.node_name
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": self._config.kubelet.lease_duration_s,
            "renewTime": format_micro_time(self._clock.now()),
        }
        if lease is None:
            lease = await self._find_lease()
        if lease is not None:
            wanted = {**lease, "spec": {**(lease.get("spec") or {}), **spec}}
            self._lease = await self._client.update(LEASES, wanted)
            return
        owner = {
            "apiVersion": "v1",
            "kind": "Node",
            "name": name,
            "uid": self.node.get("metadata", {}).get("uid", ""),
        }
        metadata = {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        self._lease = await self._client.create(LEASES, body)

    async def _find_lease(self) -> dict[str, Any] | None:
        try:
            return await self._client.get(LEASES, self._config.node_name, LEASE_NAMESPACE)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
