"""PodDisruptionBudgets: how many pods of a selection may be evicted now.

Source: Kubernetes 1.36 `pkg/controller/disruption`. Evictions themselves are decided in the API server, which
counts `disruptionsAllowed` down; this controller computes it anew from the pods.
"""

from __future__ import annotations

from typing import Any

from podsysctl.base.clock import parse_time
from podsysctl.base.errors import StatusError
from podsysctl.client.informer import Informer
from podsysctl.controllers import conditions, ownership, podstate
from podsysctl.controllers.deployment.sizes import replicas, scaled_value
from podsysctl.controllers.scope import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Object,
    Reconciler,
    Scope,
    is_deleting,
    key_of,
    labels_of,
    split_key,
)
from podsysctl.objects import selectors

DELETION_S = 120.0
"""Time an evicted pod has to disappear before it counts again."""


class _UnknownScaleError(Exception):
    """A pod's controller says nothing of how many it wants."""


class DisruptionController(Reconciler):
    """Keeps the status of every budget."""

    name = "controllermanager"

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._recorder = scope.recorder(self.name)
        self._budgets = self.need(DISRUPTION_BUDGETS)
        self._pods = self.need(PODS)
        self._sets = self.need(REPLICA_SETS)
        self._deployments = self.need(DEPLOYMENTS)
        self._stateful = self.need(STATEFUL_SETS)
        self._pods.add_index("namespace", lambda pod: (pod["metadata"]["namespace"],))
        self._budgets.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)), on_update=lambda _, new: self.queue.add(key_of(new))
        )
        self._pods.add_handler(
            on_add=self._pod_changed,
            on_update=lambda old, new: self._pod_updated(old, new),
            on_delete=self._pod_changed,
        )
        for informer in (self._sets, self._deployments, self._stateful):
            informer.add_handler(on_update=lambda _, new: self._namespace_changed(new["metadata"]["namespace"]))

    def _pod_updated(self, old: Object, new: Object) -> None:
        if labels_of(old) != labels_of(new):
            self._pod_changed(old)
        self._pod_changed(new)

    def _pod_changed(self, pod: Object) -> None:
        for budget in self._budgets.store.values():
            same = budget["metadata"]["namespace"] == pod["metadata"]["namespace"]
            if same and _selector(budget).matches(labels_of(pod)):
                self.queue.add(key_of(budget))

    def _namespace_changed(self, namespace: str) -> None:
        for budget in self._budgets.store.values():
            if budget["metadata"]["namespace"] == namespace:
                self.queue.add(key_of(budget))

    async def reconcile(self, key: str) -> None:
        """Compute one budget's status."""
        budget = self._budgets.store.get(key)
        if budget is None:
            return
        namespace, _ = split_key(key)
        chosen = _selector(budget)
        pods = [pod for pod in self._pods.by_index("namespace", namespace) if chosen.matches(labels_of(pod))]
        if not pods:
            self._recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        status = dict(budget.get("status") or {})
        try:
            expected, desired = self._expected(budget, pods)
        except _UnknownScaleError as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            self._recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", text)
            status["disruptionsAllowed"] = 0
            self._set_condition(status, budget, "False", "SyncFailed", str(error))
            await self._write(budget, status)
            return
        disrupted, wait_s = self._disrupted(budget, pods)
        healthy = sum(
            podstate.is_ready(pod) and not is_deleting(pod) and pod["metadata"]["name"] not in disrupted for pod in pods
        )
        allowed = max(0, healthy - desired) if expected > 0 else 0
        status |= {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptionsAllowed": allowed,
            "observedGeneration": budget["metadata"].get("generation", 0),
        }
        status.pop("disruptedPods", None)
        if disrupted:
            status["disruptedPods"] = disrupted
        reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        self._set_condition(status, budget, *reason, "")
        await self._write(budget, status)
        if wait_s is not None:
            self.queue.add_after(key, wait_s)

    def _set_condition(self, status: Object, budget: Object, value: str, reason: str, message: str) -> None:
        made = conditions.make("DisruptionAllowed", value, reason, message, self.scope.now())
        made["observedGeneration"] = budget["metadata"].get("generation", 0)
        conditions.put(status, made)

    async def _write(self, budget: Object, status: Object) -> None:
        if status == (budget.get("status") or {}):
            return
        try:
            await self.client.update(DISRUPTION_BUDGETS, {**budget, "status": status}, "status")
        except StatusError as error:
            if error.code != 404:
                raise

    def _expected(self, budget: Object, pods: list[Object]) -> tuple[int, int]:
        """How many pods there should be, and how many must be healthy."""
        spec = budget["spec"]
        if spec.get("maxUnavailable") is not None:
            expected = self._scale(budget, pods)
            return expected, max(0, expected - scaled_value(spec["maxUnavailable"], expected, round_up=True))
        least = spec.get("minAvailable")
        if isinstance(least, str):
            expected = self._scale(budget, pods)
            return expected, scaled_value(least, expected, round_up=True)
        return len(pods), int(least or 0)

    def _scale(self, budget: Object, pods: list[Object]) -> int:
        """The sum of what the pods' controllers want."""
        scales: dict[str, int] = {}
        unmanaged = False
        for pod in pods:
            reference = ownership.controller_reference(pod)
            if reference is None:
                unmanaged = True
            elif reference["uid"] not in scales:
                uid, scale = self._controller_scale(reference, pod)
                scales[uid] = scale
        if unmanaged:
            text = (
                f"Pods selected by this PodDisruptionBudget (selector: {_selector(budget)}) were found to be "
                "unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result "
                'in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the '
                "PDB to an integer value."
            )
            self._recorder.event(budget, "Warning", "UnmanagedPods", text)
        return sum(scales.values())

    def _controller_scale(self, reference: Object, pod: Object) -> tuple[str, int]:
        key = f"{pod['metadata']['namespace']}/{reference.get('name')}"
        kind = reference.get("kind")
        tables: dict[Any, Informer] = {"ReplicaSet": self._sets, "StatefulSet": self._stateful}
        owner = tables[kind].store.get(key) if kind in tables else None
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            raise _UnknownScaleError(f'found no controllers for pod "{pod["metadata"]["name"]}"')
        above = ownership.controller_reference(owner)
        if kind == "ReplicaSet" and above is not None and above.get("kind") == "Deployment":
            deployment = self._deployments.store.get(f"{pod['metadata']['namespace']}/{above['name']}")
            if deployment is not None:
                return str(deployment["metadata"]["uid"]), replicas(deployment)
        return str(reference["uid"]), replicas(owner)

    def _disrupted(self, budget: Object, pods: list[Object]) -> tuple[dict[str, str], float | None]:
        """Pods that were evicted and are still there, and when the next of them counts again."""
        known = (budget.get("status") or {}).get("disruptedPods") or {}
        now = self.scope.clock.now()
        out: dict[str, str] = {}
        waits: list[float] = []
        for pod in pods:
            name = pod["metadata"]["name"]
            if is_deleting(pod) or name not in known:
                continue
            left_s = (parse_time(known[name]) - now).total_seconds() + DELETION_S
            if left_s > 0:
                out[name] = known[name]
                waits.append(left_s)
            else:
                text = f"Pod was expected by PDB {key_of(budget)} to be deleted but it wasn't"
                self._recorder.event(pod, "Warning", "NotDeleted", text)
        return out, min(waits, default=None)


def _selector(budget: Object) -> selectors.LabelSelector:
    return selectors.from_object(budget["spec"].get("selector"))
