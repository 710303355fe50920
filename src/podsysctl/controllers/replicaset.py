"""ReplicaSets: as many pods of a template as asked for.

Source: Kubernetes 1.36 `pkg/controller/replicaset`. Pods that nodes refuse for their sysctls are made again
slowly (`rejections.py`), with the condition ReplicaFailure and an event that say why.
"""

from __future__ import annotations

from collections import Counter

from podsysctl.base.errors import PodsysctlError
from podsysctl.controllers import conditions, podstate, rejections
from podsysctl.controllers.pauses import Pauses
from podsysctl.controllers.podcontrol import from_template
from podsysctl.controllers.podowner import PodOwner, all_done, in_batches
from podsysctl.controllers.rejections import Brake
from podsysctl.controllers.scope import (
    REPLICA_SETS,
    Object,
    Scope,
    is_deleting,
    labels_of,
)
from podsysctl.objects import selectors

BURST = 500
"""Pods made or deleted in one sync (BurstReplicas)."""


class ReplicaSetController(PodOwner):
    """Keeps the number of pods of every ReplicaSet."""

    name = "replicaset-controller"
    kind = REPLICA_SETS

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._told: dict[str, int] = {}
        self._pauses = Pauses(scope.clock)

    async def reconcile(self, key: str) -> None:
        """Make or delete pods, then write the status."""
        owner = self._owners.store.get(key)
        if owner is None:
            self._told.pop(key, None)
            self._pauses.forget(key)
            return
        ready_to_act = self._expectations.satisfied(key)
        mine = self._pods.by_index("controller", owner["metadata"]["uid"])
        active = await self.claimed(owner, podstate.is_active)
        failure: PodsysctlError | None = None
        brake = None
        if ready_to_act and not is_deleting(owner):
            missing = _replicas(owner) - len(active)
            if missing > 0:
                brake = rejections.look(mine, missing, self.scope.clock.now())
            try:
                await self._manage(key, owner, active, brake)
            except PodsysctlError as error:
                failure = error
        terminating = [pod for pod in mine if is_deleting(pod) and not podstate.is_finished(pod)]
        await self._write_status(key, owner, self._status(owner, active, len(terminating), failure, brake))
        if brake is not None:
            self._tell(key, owner, brake)
            if brake.wait_s:
                self.queue.add_after(key, brake.wait_s)
        else:
            self._told.pop(key, None)
        if failure is not None:
            raise failure
        self._look_again(key, owner, active)

    async def _manage(self, key: str, owner: Object, active: list[Object], brake: Brake | None) -> None:
        difference = len(active) - _replicas(owner)
        if difference < 0:
            count = min(-difference, BURST)
            await self._create(key, owner, min(count, brake.allowed) if brake else count)
        elif difference > 0:
            surplus = pods_to_delete(active, min(difference, BURST))
            await all_done(self.delete_pod(key, owner, pod) for pod in surplus)

    async def _create(self, key: str, owner: Object, count: int) -> None:
        template = owner["spec"].get("template") or {}

        async def one(_: int) -> None:
            await self.create_pod(key, owner, from_template(template, REPLICA_SETS, owner))

        await in_batches(range(count), one)

    async def _write_status(self, key: str, owner: Object, status: Object) -> None:
        """Write what changed, or come back when counts alone did and the cluster is busy."""
        old = owner.get("status") or {}
        left_s = self._pauses.left_s(key, old, status, len(self._pods.store))
        if left_s > 0:
            self.queue.add_after(key, left_s)
        elif status != old:
            await self.client.update(REPLICA_SETS, {**owner, "status": status}, "status")

    def _status(
        self,
        owner: Object,
        active: list[Object],
        terminating: int,
        failure: PodsysctlError | None,
        brake: Brake | None,
    ) -> Object:
        template = selectors.from_labels((owner["spec"].get("template") or {}).get("metadata", {}).get("labels"))
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        now = self.scope.clock.now()
        ready = [pod for pod in active if podstate.is_ready(pod)]
        status: Object = {
            "replicas": len(active),
            "fullyLabeledReplicas": sum(template.matches(labels_of(pod)) for pod in active),
            "readyReplicas": len(ready),
            "availableReplicas": sum(podstate.available_in_s(pod, min_ready_s, now) <= 0 for pod in ready),
            "terminatingReplicas": terminating,
            "observedGeneration": owner["metadata"].get("generation", 0),
        }
        for name in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"):
            if not status[name]:
                del status[name]
        listed = list((owner.get("status") or {}).get("conditions") or ())
        if listed:
            status["conditions"] = listed
        self._set_failure(status, len(active) - _replicas(owner), failure, brake)
        return status

    def _set_failure(
        self, status: Object, difference: int, failure: PodsysctlError | None, brake: Brake | None
    ) -> None:
        if failure is not None:
            if conditions.find(status, "ReplicaFailure") is None:
                reason = "FailedCreate" if difference < 0 else "FailedDelete"
                made = conditions.make("ReplicaFailure", "True", reason, failure.message, self.scope.now())
                conditions.put(status, made)
        elif brake is not None:
            made = conditions.make("ReplicaFailure", "True", rejections.REASON, brake.message, self.scope.now())
            conditions.put(status, made)
        else:
            conditions.drop(status, "ReplicaFailure")

    def _tell(self, key: str, owner: Object, brake: Brake) -> None:
        """One event for each attempt that was refused."""
        if brake.wait_s and self._told.get(key) != brake.attempts:
            self._told[key] = brake.attempts
            self._recorder.event(owner, "Warning", rejections.REASON, brake.message)

    def _look_again(self, key: str, owner: Object, active: list[Object]) -> None:
        """When ready pods become available without any further event."""
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        if min_ready_s:
            now = self.scope.clock.now()
            waits = [podstate.available_in_s(pod, min_ready_s, now) for pod in active if podstate.is_ready(pod)]
            later = [wait for wait in waits if wait > 0]
            if later:
                self.queue.add_after(key, min(later))


def pods_to_delete(active: list[Object], count: int) -> list[Object]:
    """The pods that go first when there are too many."""
    if count >= len(active):
        return active
    ready_on = Counter((pod.get("spec") or {}).get("nodeName") for pod in active if podstate.is_ready(pod))
    ordered = sorted(
        active,
        key=lambda pod: podstate.deletion_order(pod, ready_on.get((pod.get("spec") or {}).get("nodeName"), 0)),
    )
    return ordered[:count]


def _replicas(owner: Object) -> int:
    value = owner["spec"].get("replicas")
    return 1 if value is None else int(value)
