"""Brings this node to the configuration it is told to run: drain, write, restart the agent, give back, Done.

Every step can be taken again after a crash: what was reached stands in the Node's annotations and in one file on
disk, and each look at the Node takes the next step from there. A new kubelet configuration needs the agent's
restart and no reboot; running pods stay and are admitted anew. A configuration that the agent cannot start with
is taken back, and the node reports Degraded with the reason.
Words and order: machine-config-operator pkg/daemon (daemon.go, update.go, drain.go). Draining is the controller's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from podsysctl.base import durable
from podsysctl.base.clock import Clock, SystemClock
from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, StatusError
from podsysctl.client.events import Recorder
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import WorkQueue
from podsysctl.objects import machineconfig as names
from podsysctl.objects.kinds import builtin_by_resource

log = logging.getLogger(__name__)

Object = dict[str, Any]

NODE = builtin_by_resource("", "v1", "nodes")
COMPONENT = "machineconfigdaemon"
"""Name of this component in events, as clients expect it."""

DRAIN_LIMIT_S = 3600.0
"""How long a node may take to be drained before it reports Degraded, upstream's number."""

_WORKING = {names.STATE: names.WORKING, names.REASON: ""}
SEE_LOGS = "Please see machine-config-controller logs for more information"

RETRY_LONGEST_S = 10.0


class Restart(Protocol):
    """Restarts the node's agent with the kubelet configuration now on disk and waits until it works.

    Raises PodsysctlError when the agent cannot start with it.
    """

    async def __call__(self) -> None: ...


ReadConfig = Callable[[str], Awaitable[Object]]
"""Gives a MachineConfig by name. Raises StatusError, ConnectionFailedError."""


class ConfigDaemon:
    """One node's side of a rollout; `follow` calls `reconcile` whenever the node may wait for a step.

    `nodes` holds the node, perhaps among others. `kubelet_file` is what the agent reads; `drains` is False for a
    lone node. `read_config` may share what it reads with other nodes.
    """

    def __init__(
        self,
        client: Client,
        nodes: Informer,
        node_name: str,
        kubelet_file: Path,
        restart: Restart,
        events: Recorder,
        *,
        drains: bool = True,
        read_config: ReadConfig | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._read_config = read_config or partial(client.get, names.MACHINE_CONFIG)
        self._clock = clock or SystemClock()
        self._drain_since_s: float | None = None
        self._nodes = nodes
        self._name = node_name
        self._kubelet_file = kubelet_file
        self._record = kubelet_file.with_name("machine-config.json")
        self._recorded: Object | None = None
        """What the record holds, once it was read: nobody else writes it, and every change of the Node asks for it."""
        self._restart = restart
        self._events = events
        self._drains = drains

    async def reconcile(self) -> float | None:
        """Take the next step, if there is one; seconds after which to look again though nothing changed.

        Raises StatusError, ConnectionFailedError.
        """
        node = self._nodes.get(self._name)
        if node is None or not is_behind(node):
            return None
        desired = names.annotation(node, names.DESIRED_CONFIG)
        state = names.annotation(node, names.STATE)
        if self.recorded_config() == desired:
            await self._finish(node, desired)
        elif self._failed_config() == desired:
            await self._after_failure(desired, state)
        elif self._waits_for_drain(node, desired):
            return await self._wait_for_drain(state)
        elif names.annotation(node, names.CURRENT_CONFIG) and self._drains and not _is_drained(node, desired):
            await self._ask_for_drain(node, desired)
        elif state != names.WORKING:
            await self._annotate(_WORKING)
        else:
            await self._apply(desired)
        return None

    async def _after_failure(self, desired: str, state: str) -> None:
        """What failed once stays failed until another configuration is asked for."""
        if state == names.WORKING:  # the process ended between the verdict and its report
            await self._report_failure(desired)
        elif state == names.DONE:  # the pool was elsewhere meanwhile and asks once more
            self._write_record({"config": self.recorded_config()})
            await self.reconcile()

    async def _ask_for_drain(self, node: Object, desired: str) -> None:
        """Begin: ask the controller, once; its answer is a change of the node."""
        self._events.event(node, "Normal", "Cordon", "Cordoned node to apply update")
        self._events.event(node, "Normal", "Drain", "Draining node to update config.")
        self._drain_since_s = None
        await self._annotate({**_WORKING, names.DESIRED_DRAIN: _drain_of(desired)})

    @staticmethod
    def _waits_for_drain(node: Object, desired: str) -> bool:
        return names.annotation(node, names.DESIRED_DRAIN) == _drain_of(desired) and not _is_drained(node, desired)

    async def _wait_for_drain(self, state: str) -> float | None:
        """Be Degraded once it takes too long, and go on waiting: a budget may yet allow the last eviction."""
        now_s = self._clock.monotonic_s()
        if self._drain_since_s is None:
            self._drain_since_s = now_s
        left_s = self._drain_since_s + DRAIN_LIMIT_S - now_s
        if left_s > 0:
            return left_s
        if state != names.DEGRADED:
            text = f"failed to drain node: {self._name} after 1 hour. {SEE_LOGS}"
            await self._annotate({names.STATE: names.DEGRADED, names.REASON: text})
        return None

    async def _apply(self, desired: str) -> None:
        """Write the configuration and restart the agent; take both back when it does not start."""
        try:
            text = names.kubelet_file(await self._read_config(desired))
        except names.RenderError as error:
            await self._fail(desired, error.message)
            return
        before = self._kubelet_file.read_text() if self._kubelet_file.exists() else None
        if text != before:
            self._write_record({"config": self.recorded_config(), "applying": desired, "former": before})
            durable.write(self._kubelet_file, text)
            try:
                await self._restart()
            except PodsysctlError as error:
                await self._roll_back(before)
                await self._fail(desired, error.message)
                return
        self._write_record({"config": desired})
        await self.reconcile()

    def recover(self) -> None:
        """Undo a change that the process did not live to judge, before the agent starts; it is then tried anew.

        Without this, a configuration that no agent starts with would stop the node for good after a crash.
        """
        record = self._read_record()
        if record.get("applying"):
            self._put_back(record.get("former"))
            self._write_record({"config": self.recorded_config()})

    async def restore(self) -> None:
        """Write the configuration that the node is said to run when its files are gone, before the agent starts.

        `down` removes a node's files and keeps its object: the next agent must not start with another list.
        Raises StatusError, ConnectionFailedError.
        """
        if self._record.exists():
            return
        try:
            node = await self._client.get(NODE, self._name)
            current = names.annotation(node, names.CURRENT_CONFIG)
            text = names.kubelet_file(await self._read_config(current)) if current else ""
        except StatusError as error:
            if error.code != 404:
                raise
            return
        except names.RenderError as error:
            log.warning("configuration of node %s: %s", self._name, error.message)
            return
        if text:
            self._kubelet_file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            durable.write(self._kubelet_file, text)
            self._write_record({"config": current})

    def _put_back(self, former: str | None) -> None:
        if former is None:
            self._kubelet_file.unlink(missing_ok=True)
        else:
            durable.write(self._kubelet_file, former)

    async def _roll_back(self, before: str | None) -> None:
        """Put the former file back and start the agent with it."""
        self._put_back(before)
        await self._restart()

    async def _fail(self, desired: str, text: str) -> None:
        """Degraded, with the reason, and given back; the same configuration is not tried again."""
        reason = text.encode()[: names.REASON_BYTES].decode(errors="ignore")
        self._write_record({"config": self.recorded_config(), "failed": desired, "reason": reason})
        node = self._nodes.get(self._name)
        if node is not None:
            self._events.event(node, "Warning", "FailedToApplyConfig", f"{desired}: {text}")
        await self._report_failure(desired)

    async def _report_failure(self, desired: str) -> None:
        """State, reason and the wish to be uncordoned in one write: a crash leaves none without the others."""
        node = self._nodes.get(self._name)
        annotations = {names.STATE: names.DEGRADED, names.REASON: str(self._read_record().get("reason", ""))}
        if node is not None and names.annotation(node, names.DESIRED_DRAIN) == _drain_of(desired):
            annotations[names.DESIRED_DRAIN] = f"uncordon-{desired}"
        await self._annotate(annotations)

    async def _finish(self, node: Object, desired: str) -> None:
        """The configuration is in force: have the node uncordoned, then report Done."""
        wanted = names.annotation(node, names.DESIRED_DRAIN)
        if wanted == _drain_of(desired):
            await self._annotate({names.DESIRED_DRAIN: f"uncordon-{desired}"})
            return
        if wanted == f"uncordon-{desired}" and names.annotation(node, names.LAST_DRAIN) != wanted:
            return
        await self._annotate({names.CURRENT_CONFIG: desired, names.STATE: names.DONE, names.REASON: ""})

    async def _annotate(self, annotations: dict[str, str]) -> None:
        await self._client.patch(NODE, self._name, {"metadata": {"annotations": annotations}})

    def recorded_config(self) -> str:
        """The rendered configuration that this node's files hold, empty before the first."""
        return str(self._read_record().get("config", ""))

    def _failed_config(self) -> str:
        return str(self._read_record().get("failed", ""))

    def _read_record(self) -> Object:
        if self._recorded is None:
            self._recorded = json.loads(self._record.read_text()) if self._record.exists() else {}
        return self._recorded

    def _write_record(self, record: Object) -> None:
        self._recorded = None  # should writing fail, the file is asked what it holds
        durable.write(self._record, json.dumps(record))
        self._recorded = record


def _drain_of(desired: str) -> str:
    return f"drain-{desired}"


def _is_drained(node: Object, desired: str) -> bool:
    """Whether the controller has answered that the node is drained for this configuration."""
    asked, answered = names.annotation(node, names.DESIRED_DRAIN), names.annotation(node, names.LAST_DRAIN)
    return asked == answered == _drain_of(desired)


def is_behind(node: Object) -> bool:
    """Whether a node was told a configuration and has not reported that it runs it."""
    desired, current = names.annotation(node, names.DESIRED_CONFIG), names.annotation(node, names.CURRENT_CONFIG)
    return bool(desired) and (desired != current or names.annotation(node, names.STATE) != names.DONE)


async def follow(nodes: Informer, daemons: Mapping[str, ConfigDaemon], *, workers: int = 1) -> None:
    """Have each daemon take its steps as its node changes, until cancelled; `nodes` is run by the caller."""
    queue: WorkQueue[str] = WorkQueue(name="machine-config-daemon", max_s=RETRY_LONGEST_S)

    def seen(node: Object) -> None:
        if node["metadata"]["name"] in daemons and is_behind(node):
            queue.add(node["metadata"]["name"])

    async def step(name: str) -> None:
        wait_s = await daemons[name].reconcile()
        if wait_s is not None:
            queue.add_after(name, wait_s)

    def changed(old: Object, new: Object) -> None:
        if old["metadata"].get("annotations") != new["metadata"].get("annotations"):
            seen(new)  # a heartbeat, a taint or the cordon asks for no step

    nodes.add_handler(on_add=seen, on_update=changed)
    await queue.run(step, workers=workers, retry=_retry)


def _retry(key: object, error: PodsysctlError) -> bool:
    log.warning("configuration of node %s: %s", key, error.message)
    return isinstance(error, StatusError | ConnectionFailedError)
