"""One simulated node: its kubelet configuration, the pods it admitted, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from podsysctl.base.clock import Clock, format_time
from podsysctl.base.errors import PodsysctlError
from podsysctl.client.events import Recorder
from podsysctl.client.rest import Client
from podsysctl.node import agent, events, gates, node_status, published, status
from podsysctl.node import pod as pods
from podsysctl.node.config import AgentConfig, load_kubelet_configuration
from podsysctl.node.events import PodEvents
from podsysctl.node.machine import Machine
from podsysctl.node.registration import Registration
from podsysctl.node.simulated import records
from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.kubelet import Allowlist
from podsysctl.policy.scheduling.podinfo import PodInfo


class SimulatedNode:
    """`restarted` is called with the node's name when all its pods are to be judged anew."""

    def __init__(
        self,
        client: Client,
        config: AgentConfig,
        machine: Machine,
        clock: Clock,
        recorder: Recorder,
        restarted: Callable[[str], None],
    ) -> None:
        self._config = config
        self._machine = machine
        self._clock = clock
        self._events = PodEvents(recorder)
        self._restarted = restarted
        self._allowlist: Allowlist | None = None
        self._amounts: dict[str, int] = {}
        self._admitted: dict[str, pods.Pod] = {}
        self._refused: dict[str, dict[str, Any]] = {}
        self.kubelet_file = config.root / "kubelet.conf"
        self.registration = Registration(client, records.read_facts, recorder, config, machine, config.node_ips, clock)

    def _configure(self) -> None:
        """Take the configuration on disk. Raises UsageError as a kubelet would refuse to start."""
        config = self._config
        if self.kubelet_file.exists():
            config = replace(config, kubelet=load_kubelet_configuration(self.kubelet_file))
        self._allowlist = agent.parse_allowlist(config, self._machine.kernel_version)
        self._amounts = node_status.allocatable_amounts(self._machine, config)
        self._config = config
        self.registration.reconfigure(config)

    async def start(self) -> None:
        """Register with the configuration on disk. Raises UsageError, StatusError."""
        self._config.root.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._configure()
        await self.registration.register(published.gates(self._config))
        await self.registration.renew()

    async def restart(self) -> None:
        """What a restart of the agent is: the new configuration counts, and every pod is admitted anew.

        Raises UsageError when the configuration is refused; the former one then goes on.
        """
        self._configure()
        self._admitted.clear()
        self._restarted(self._config.node_name)
        await self.registration.report(force=True, annotations=published.gates(self._config))

    def forget(self, uid: str) -> None:
        """A pod has ended or is gone."""
        self._admitted.pop(uid, None)
        self._refused.pop(uid, None)

    def status_of(self, pod: pods.Pod) -> dict[str, Any]:
        """The status of a living pod: it runs, or a gate refuses it, once and for all."""
        uid = pods.uid(pod)
        if uid in self._refused:
            return self._refused[uid]
        rejection = None if uid in self._admitted else self._admit(pod)
        if rejection is None:
            self._admitted[uid] = pod
            return self._compute(pod, stopped=False)
        self._events.pod(pod, events.WARNING, rejection.reason, rejection.message)
        self._refused[uid] = status.rejected(pod, rejection.reason, rejection.message, self._now())
        return self._refused[uid]

    def last_status_of(self, pod: pods.Pod) -> dict[str, Any]:
        """The status of a pod whose deletion was asked for: everything in it has ended."""
        return self._compute(pod, stopped=True)

    def _admit(self, pod: pods.Pod) -> Rejection | None:
        assert self._allowlist is not None
        node = self.registration.node
        view = NodeView(
            allowlist=self._allowlist,
            node_name=self._config.node_name,
            labels=node["metadata"].get("labels") or {},
            taints=(node.get("spec") or {}).get("taints") or (),
            allocatable=self._amounts,
            active_pods=[PodInfo(admitted) for admitted in self._admitted.values()],
            has_app_armor=self._machine.has_app_armor,
            has_groups_policy=node_status.has_groups_policy(node),
        )
        try:
            return gates.admit(pod, view)
        except PodsysctlError as error:
            return Rejection("UnexpectedAdmissionError", error.message)

    def _compute(self, pod: pods.Pod, *, stopped: bool) -> dict[str, Any]:
        previous = pods.status(pod)
        now = self._now()
        return status.compute(
            status.Inputs(
                pod=pod,
                runtime=records.running(pod, previous.get("startTime") or now),
                previous=previous,
                readiness=records.AlwaysReady(),
                runtime_name=records.RUNTIME_NAME,
                host_ips=self._config.node_ips,
                now=now,
                stopped=stopped,
            )
        )

    def _now(self) -> str:
        return format_time(self._clock.now())
