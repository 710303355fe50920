"""Attaches a pod's additional networks and sets its interfaces' sysctls, between the sandbox and its containers.

Order: read the annotations, fetch the definitions, refuse what the node forbids, write the record, run the plugins,
tell. Whatever fails leaves the record, and taking the sandbox away undoes what the record says, in reverse.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import (
    ConnectionFailedError,
    PodsysctlError,
    RefusedError,
    RuntimeServiceError,
    StatusError,
    UsageError,
)
from podsysctl.client.events import EventRecorder
from podsysctl.client.rest import Client
from podsysctl.node import events, verify
from podsysctl.node import pod as pods
from podsysctl.node.networks import definitions, detach, primary, selection, status
from podsysctl.node.networks.bridges import Bridges
from podsysctl.node.networks.definitions import DEFINITIONS
from podsysctl.node.networks.invocation import Attachment, Plugins, Target
from podsysctl.node.networks.records import BadRecordError, Record, Records, disk_errors
from podsysctl.node.status_writer import PODS
from podsysctl.policy import interface, kubelet, network_plugin
from podsysctl.runtime.service import RuntimeService

log = logging.getLogger(__name__)

TUNING = "podsysctl-tuning"
SWEEP_S = 30.0
"""Interval of looking for records whose sandbox is gone."""


class Networks:
    """One node's. `allowed` is its kubelet's allowlist, `default_network` the name of the runtime's own network."""

    def __init__(
        self,
        client: Client,
        runtime: RuntimeService,
        recorder: EventRecorder,
        *,
        plugins: Plugins,
        records: Records,
        bridges: Bridges,
        leases: Path,
        configurations: Path,
        default_network: str,
        allowed: kubelet.Allowlist,
    ) -> None:
        self._client = client
        self._runtime = runtime
        self._recorder = recorder
        self._plugins = plugins
        self._records = records
        self._bridges = bridges
        self._leases = leases
        self._configurations = configurations
        self._default_network = default_network
        self.allowed = allowed
        self._failures: Counter[str] = Counter()

    async def added(self, pod: pods.Pod, sandbox_id: str) -> None:
        """Attach what the pod asks for. Raises PodsysctlError."""
        with disk_errors("networks cannot be attached"):
            await self._attach(pod, sandbox_id)

    async def _attach(self, pod: pods.Pod, sandbox_id: str) -> None:
        wanted = selection.of_pod(pod)
        if wanted.is_empty:
            return
        attachments = [await self._prepare(pod, one) for one in wanted.attachments]
        attachments += self._sysctls(wanted.sysctls, {one.interface for one in wanted.attachments})
        response = await self._runtime.pod_sandbox_status(sandbox_id, verbose=True)
        target = Target(sandbox_id, _netns(response), _arguments(pod, sandbox_id))
        record = Record(pods.uid(pod), target, tuple(attachments))
        await asyncio.to_thread(self._records.save, record)
        for index, attachment in enumerate(attachments):
            try:
                async with self._bridges.using(attachment.bridges):
                    result = await self._plugins.add(target, attachment)
            except PodsysctlError as error:
                raise _located(pod, attachment, error) from error
            record = record.with_result(index, result)
            await asyncio.to_thread(self._records.save, record)
        await self._tell(pod, response, record)
        await asyncio.to_thread(self._records.save, replace(record, complete=True))

    async def is_complete(self, pod: pods.Pod, sandbox_id: str) -> bool:
        """Has the sandbox all that the pod asks for? The record says so, last of all."""
        try:
            if selection.of_pod(pod).is_empty:
                return True
            record = await asyncio.to_thread(self._records.load, sandbox_id)
        except (UsageError, BadRecordError):
            return False
        return record is not None and record.complete

    async def removing(self, pod_uid: str, sandbox_id: str) -> None:
        """Detach everything of a sandbox, in reverse. Raises PodsysctlError when something is left, a few times.

        A plugin that never succeeds, such as dhcp without its daemon, must not keep the pod forever: the sandbox goes,
        and `sweep` goes on trying.
        """
        try:
            await detach.detach(self._plugins, self._records, self._bridges, sandbox_id)
        except PodsysctlError as error:
            self._failures[sandbox_id] += 1
            if self._failures[sandbox_id] < limits.CNI_DETACH_TRIES:
                raise
            log.error("sandbox %s goes although its networks could not be detached: %s", sandbox_id[:13], error.message)
        self._failures.pop(sandbox_id, None)

    async def sweep(self) -> None:
        """Undo what sandboxes left that the runtime no longer has. Raises RuntimeServiceError."""
        known = await asyncio.to_thread(self._records.sandboxes)
        if not known:
            return
        present = {sandbox.id for sandbox in await self._runtime.list_pod_sandbox()}
        for sandbox_id in known:
            if sandbox_id in present:
                continue
            try:
                await detach.detach(self._plugins, self._records, self._bridges, sandbox_id)
            except BadRecordError as error:
                log.error("%s", error.message)
            except PodsysctlError as error:
                log.warning("networks of sandbox %s: %s", sandbox_id[:13], error.message)

    async def run(self) -> None:
        """Sweep now and again until cancelled."""
        while True:
            try:
                await self.sweep()
            except RuntimeServiceError as error:
                log.warning("networks are not swept: %s", error.message)
            await asyncio.sleep(SWEEP_S)

    async def _prepare(self, pod: pods.Pod, wanted: interface.Attachment) -> Attachment:
        """Fetch a definition and make of it what the plugins are given. Raises PodsysctlError."""
        label = f"{wanted.namespace}/{wanted.name}"
        try:
            definition = await self._client.get(DEFINITIONS, wanted.name, wanted.namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            text = (
                f"cannot find a network-attachment-definition ({wanted.name}) in namespace ({wanted.namespace}): "
                f"{error.message}"
            )
            self._event(pod, events.WARNING, "NoNetworkFound", text)
            raise PodsysctlError(text) from error
        listed = await asyncio.to_thread(definitions.parse, definition, self._configurations)
        configured = tuple(self._configure(plugin, wanted) for plugin in listed.plugins)
        self._plugins.require(plugin["type"] for plugin in configured)
        for plugin in configured:
            problem = network_plugin.find_problem(plugin)  # again: the pod's own arguments are among it now
            if problem:
                raise RefusedError(f"network {label}: {problem}")
            self._refuse_bypass(plugin, f"network {label}")
        return Attachment(label, wanted.interface, listed.name, listed.version, configured, listed.bridges)

    def _configure(self, plugin: Mapping[str, Any], wanted: interface.Attachment) -> dict[str, Any]:
        """One plugin's configuration with what the pod adds, and what this node insists on."""
        out = dict(plugin)
        capabilities = out.pop("capabilities", None) or {}
        given = selection.runtime_configuration(wanted.entry)
        declared = capabilities if isinstance(capabilities, dict) else {}
        chosen = {key: value for key, value in given.items() if declared.get(key)}
        if chosen:
            out["runtimeConfig"] = chosen
        if wanted.arguments:
            known = out.get("args") if isinstance(out.get("args"), dict) else {}
            out["args"] = {**(known or {}), "cni": dict(wanted.arguments)}
        ipam = out.get("ipam")
        if isinstance(ipam, dict) and ipam.get("type") == "host-local" and not ipam.get("dataDir"):
            out["ipam"] = {**ipam, "dataDir": str(self._leases)}
        if out.get("type") in network_plugin.TUNING_TYPES:
            # A definition is a user's: where records lie, and which rules hold, is the node's to say.
            out = {key: value for key, value in out.items() if key not in ("dataDir", "allowlist", "mode")}
            out |= {"type": TUNING, "dataDir": str(self._leases / "tuning")}
        return out

    def _sysctls(self, values: Mapping[str, Mapping[str, str]], additional: set[str]) -> list[Attachment]:
        """The annotation's values as attachments of our plugin alone, after all interfaces are there."""
        out = []
        for name, sysctl in values.items():
            # The second plugin of an interface has a folder of its own: records are named after the interface.
            folder = self._leases / ("tuning-pod" if name in additional else "tuning")
            plugin = {"type": TUNING, "sysctl": dict(sysctl), "dataDir": str(folder)}
            self._refuse_bypass(plugin, f"annotation {interface.INTERFACE_SYSCTLS}")
            result = {"cniVersion": definitions.DEFAULT_CNI_VERSION}
            out.append(
                Attachment("", name, "interface-sysctls", definitions.DEFAULT_CNI_VERSION, (plugin,), result=result)
            )
        return out

    def _refuse_bypass(self, plugin: Mapping[str, Any], owner: str) -> None:
        for key in network_plugin.sysctls(plugin):
            text = interface.find_bypass(key, self.allowed)
            if text is not None:
                raise RefusedError(f"{owner}: {text}")

    async def _tell(self, pod: pods.Pod, response: Any, record: Record) -> None:
        """Network status annotation and events; a status that cannot be written does not cost the pod."""
        network = response.status.network
        addresses = [network.ip, *(entry.ip for entry in network.additional_ips)]
        own = await asyncio.to_thread(primary.read, record.target.netns)
        entries = [status.of_default(addresses, own, self._default_network)]
        entries += [status.of_attachment(a.label, a.interface, a.result) for a in record.attachments if a.label]
        patch = {"metadata": {"uid": pods.uid(pod), "annotations": {status.ANNOTATION: status.to_text(entries)}}}
        try:
            await self._client.patch(PODS, pods.name(pod), patch, namespace=pods.namespace(pod), subresource="status")
        except (StatusError, ConnectionFailedError) as error:
            log.warning("network status of %s is not written: %s", pods.full_name(pod), error.message)
        for entry in entries:
            shown = " ".join(entry.prefixes)
            self._event(pod, events.NORMAL, "AddedInterface", f"Add {entry.interface} [{shown}] from {entry.name}")

    def _event(self, pod: pods.Pod, kind: str, reason: str, message: str) -> None:
        self._recorder.event({**pod, "kind": "Pod", "apiVersion": "v1"}, kind, reason, message)


def _located(pod: pods.Pod, attachment: Attachment, error: PodsysctlError) -> PodsysctlError:
    """The failure in the words in which Multus reports it."""
    where = f"{pods.namespace(pod)}/{pods.name(pod)}/{pods.uid(pod)}:{attachment.label or attachment.interface}"
    text = f'[{where}]: error adding container to network "{attachment.network}": {error.message}'
    return PodsysctlError(text, hint=error.hint)


def _netns(response: Any) -> str:
    """The file of the sandbox's network namespace, one that outlives its process if there is one.

    Raises PodsysctlError.
    """
    try:
        info = json.loads(response.info.get("info") or "{}")
    except ValueError as error:
        raise PodsysctlError("the runtime's sandbox information is not JSON") from error
    for entry in ((info.get("runtimeSpec") or {}).get("linux") or {}).get("namespaces") or ():
        if entry.get("type") == "network" and entry.get("path"):
            return str(entry["path"])
    try:
        path = verify.sandbox_namespaces(response).path("net")
    except verify.NamespacesUnknownError as error:
        raise PodsysctlError(str(error)) from error
    if path is None:
        raise PodsysctlError("the runtime does not tell where the sandbox's network namespace is")
    return path


def _arguments(pod: pods.Pod, sandbox_id: str) -> str:
    """CNI_ARGS as Kubernetes runtimes give them."""
    return (
        f"IgnoreUnknown=1;K8S_POD_NAMESPACE={pods.namespace(pod)};K8S_POD_NAME={pods.name(pod)};"
        f"K8S_POD_INFRA_CONTAINER_ID={sandbox_id};K8S_POD_UID={pods.uid(pod)}"
    )
