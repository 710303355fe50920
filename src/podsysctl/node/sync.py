"""Carries out what `actions.py` decided for one pod: sandbox first, then containers (SyncPod of the kubelet)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from podsysctl.base import metrics
from podsysctl.base.errors import PodsysctlError, RuntimeServiceError
from podsysctl.node import cgroups, events, sandbox, verify
from podsysctl.node import pod as pods
from podsysctl.node.actions import Actions
from podsysctl.node.runtime_reader import convert_sandbox
from podsysctl.node.runtime_state import PodRuntime, SandboxRecord
from podsysctl.node.shared import Outcome, Shared
from podsysctl.node.starter import Starter
from podsysctl.node.volumes.manager import Volume
from podsysctl.policy import agent_limits
from podsysctl.policy import kubelet as kubelet_policy
from podsysctl.policy.verdict import Gate


class PodSync:
    """Starts and restarts the parts of one pod."""

    def __init__(self, shared: Shared, ending: asyncio.Event) -> None:
        self._shared = shared
        self._ending = ending
        self.verified: dict[str, Any] | None = None
        self.verified_sandbox = ""
        self._refused: set[Gate] = set()

    async def carry_out(
        self, pod: pods.Pod, runtime: PodRuntime, plan: Actions, volumes: Mapping[str, Volume]
    ) -> Outcome:
        """Do what the plan says, as far as it goes. Raises RuntimeServiceError for failures of no one container."""
        outcome = Outcome(acted=not plan.idle)
        if plan.create_sandbox and plan.sandbox.sandbox_id:
            text = "Pod sandbox changed, it will be killed and re-created."
            self._shared.events.pod(pod, events.NORMAL, events.SANDBOX_CHANGED, text)
        if plan.kill_pod:
            await self._shared.stopper.everything(pod, runtime)
            if plan.create_sandbox:
                await self._purge_init_containers(pod, runtime)
        else:
            await self._kill_some(pod, runtime, plan)
        sandbox_id, ips = plan.sandbox.sandbox_id, runtime.ips
        if plan.create_sandbox:
            made = await self._create_sandbox(pod, plan, outcome)
            if made is None:
                return outcome
            outcome.sandbox_id = sandbox_id = made.id
            ips = made.ips
        starts = [*plan.start_ephemeral, *plan.start_init, *plan.start]
        if not starts or self._ending.is_set():
            return outcome
        if pods.is_host_network(pod):
            ips = self._shared.node_facts().ips
        starter = Starter(self._shared, pod, runtime, sandbox_id, ips, volumes, outcome, self._ending)
        starter.sandbox_config = self._sandbox_config(pod, plan.sandbox.attempt)
        await starter.start_all(plan)
        return outcome

    async def is_half_made(self, pod: pods.Pod, runtime: PodRuntime) -> bool:
        """Is there a sandbox that its extensions did not finish? A pod must not start with less than it asks for."""
        ready = runtime.ready_sandbox()
        if ready is None or any(record.sandbox_id == ready.id for record in runtime.containers):
            return False
        for extension in self._shared.extensions:
            if not await extension.is_complete(pod, ready.id):
                return True
        return False

    async def verify_existing(self, pod: pods.Pod, runtime: PodRuntime) -> bool:
        """Read the sysctls back in a sandbox that was not made by this process. True when something was read."""
        ready = runtime.ready_sandbox()
        if ready is None or self.verified_sandbox == ready.id:
            return False
        if not pods.sysctls(pod):
            return False
        await self._verify(pod, await self._shared.runtime.pod_sandbox_status(ready.id, verbose=True))
        return True

    async def _kill_some(self, pod: pods.Pod, runtime: PodRuntime, plan: Actions) -> None:
        pod_ip = runtime.ips[0] if runtime.ips else ""
        for kill in plan.kill:
            await self._shared.stopper.container(
                pod, kill.record, pod_ip, message=kill.message, probe=kill.probe
            )

    async def _purge_init_containers(self, pod: pods.Pod, runtime: PodRuntime) -> None:
        names = {c["name"] for c in pods.init_containers(pod)}
        for record in [r for r in runtime.containers if r.name in names]:
            await self._shared.runtime.remove_container(record.id)
            self._shared.reader.forget(record.id)
            runtime.containers.remove(record)

    def _sandbox_config(self, pod: pods.Pod, attempt: int) -> Any:
        shared = self._shared
        return sandbox.build(
            pod,
            shared.config,
            shared.paths,
            attempt=attempt,
            node_dns=shared.node_dns,
            default_sysctls=shared.default_sysctls,
            cgroup_parent=cgroups.parent(pod, shared.config),
        )

    async def _create_sandbox(self, pod: pods.Pod, plan: Actions, outcome: Outcome) -> SandboxRecord | None:
        """Make the sandbox, or give None after a failure, which is told as an event."""
        shared = self._shared
        unmet = _find_unmet(pods.spec(pod))
        if unmet is not None:
            reason, text = unmet
            shared.events.pod(pod, events.WARNING, reason, text)
            outcome.error = text
            return None
        config = self._sandbox_config(pod, plan.sandbox.attempt)
        shared.paths.pod_logs(pod).mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            async with shared.sandbox_slots:
                if self._ending.is_set():
                    return None
                cgroups.ensure(pod, shared.config)
                handler = pods.spec(pod).get("runtimeClassName") or ""
                sandbox_id = await shared.runtime.run_pod_sandbox(config, handler)
        except cgroups.CgroupError as error:
            shared.events.pod(pod, events.WARNING, error.reason, error.message)
            outcome.error = error.message
            return None
        except RuntimeServiceError as error:
            if not self._ending.is_set():
                text = f"Failed to create pod sandbox: {error.message}"
                shared.events.pod(pod, events.WARNING, events.FAILED_CREATE_SANDBOX, text)
                if pods.sysctls(pod):
                    self._count_refusal(Gate.RUNTIME)
            outcome.error = error.message
            return None
        try:
            response = await shared.runtime.pod_sandbox_status(sandbox_id, verbose=bool(pods.sysctls(pod)))
        except RuntimeServiceError as error:
            text = f"Unable to get pod sandbox status: {error.message}"
            shared.events.pod(pod, events.WARNING, events.FAILED_SANDBOX_STATUS, text)
            outcome.error = error.message
            return None
        if not await self._extend(pod, sandbox_id, outcome):
            return None
        await self._verify(pod, response)
        return convert_sandbox(response.status)

    async def _extend(self, pod: pods.Pod, sandbox_id: str, outcome: Outcome) -> bool:
        """Let extensions add to the sandbox; one that fails costs the sandbox, and the next try makes a new one."""
        try:
            for extension in self._shared.extensions:
                await extension.added(pod, sandbox_id)
        except PodsysctlError as error:
            text = f"Failed to create pod sandbox: {error.message}"
            self._shared.events.pod(pod, events.WARNING, events.FAILED_CREATE_SANDBOX, text)
            self._count_refusal(Gate.INTERFACE)
            outcome.error = error.message
            await self._shared.stopper.sandbox(pods.uid(pod), sandbox_id)
            return False
        return True

    def _count_refusal(self, gate: Gate) -> None:
        """Count the pod as refused by a gate; once, however often its sandbox is tried again."""
        if gate not in self._refused:
            self._refused.add(gate)
            metrics.REFUSED_PODS.labels(gate=str(gate), reason=events.FAILED_CREATE_SANDBOX).inc()

    async def _verify(self, pod: pods.Pod, response: Any) -> None:
        """Read back declared sysctls once per sandbox, given its verbose status, and warn when one is not there."""
        self.verified_sandbox = response.status.id
        if not pods.sysctls(pod):
            return
        declared = kubelet_policy.sandbox_sysctls(pod)
        result = await verify.verify(response, declared)
        self.verified = verify.condition(declared, result)
        metrics.SYSCTLS_VERIFIED.labels(result=verify.summary(result)).inc()
        if not isinstance(result, str) and result:
            text = "Declared sysctls are not in effect: " + "; ".join(str(d) for d in result)
            self._shared.events.pod(pod, events.WARNING, events.SYSCTLS_NOT_APPLIED, text)


def _find_unmet(spec: Mapping[str, Any]) -> tuple[str, str] | None:
    """Reason and message of the event about what a pod asks for and would not get: it must not run without.

    The devices of claims come first (kuberuntime_manager.go, PrepareDynamicResources).
    """
    devices = agent_limits.claims_problem(spec)
    if devices is not None:
        return events.FAILED_PREPARE_RESOURCES, f"Failed to prepare dynamic resources: {devices}"
    namespace = agent_limits.user_namespace_problem(spec)
    return None if namespace is None else (events.FAILED_CREATE_SANDBOX, f"Failed to create pod sandbox: {namespace}")
