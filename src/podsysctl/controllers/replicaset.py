"""ReplicaSets: as many pods of a template as asked for.

Source: Kubernetes 1.36 `pkg/controller/replicaset`. Pods that nodes refuse for their sysctls are made again
slowly (`rejections.py`), with the condition ReplicaFailure and an event that say why.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.controllers import conditions, ownership, podstate, rejections
from podsysctl.controllers.expectations import Expectations
from podsysctl.controllers.podcontrol import PodControl, from_template, is_namespace_terminating
from podsysctl.controllers.rejections import Brake
from podsysctl.controllers.scope import (
    PODS,
    REPLICA_SETS,
    Object,
    Reconciler,
    Scope,
    is_deleting,
    key_of,
    labels_of,
    split_key,
)
from podsysctl.objects import selectors

BURST = 500
"""Pods made or deleted in one sync (BurstReplicas)."""


class ReplicaSetController(Reconciler):
    """Keeps the number of pods of every ReplicaSet."""

    name = "replicaset-controller"

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._recorder = scope.recorder(self.name)
        self._pod_control = PodControl(scope.client, self._recorder)
        self._sets = self.need(REPLICA_SETS)
        self._pods = self.need(PODS)
        self._pods.add_index("controller", ownership.controller_index)
        self._expectations = Expectations(self._pods, scope.clock)
        self._told: dict[str, int] = {}
        self._sets.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)),
            on_update=lambda _, new: self.queue.add(key_of(new)),
            on_delete=lambda obj: self.queue.add(key_of(obj)),
        )
        self._pods.add_handler(
            on_add=self._pod_changed,
            on_update=lambda old, new: self._pod_updated(old, new),
            on_delete=self._pod_changed,
        )

    def _pod_updated(self, old: Object, new: Object) -> None:
        if ownership.controller_reference(old) != ownership.controller_reference(new):
            self._pod_changed(old)
        self._pod_changed(new)

    def _pod_changed(self, pod: Object) -> None:
        namespace = pod["metadata"]["namespace"]
        reference = ownership.controller_reference(pod)
        if reference is not None:
            if reference.get("kind") == REPLICA_SETS.kind:
                self.queue.add(f"{namespace}/{reference['name']}")
            return
        for owner in self._sets.store.values():
            if owner["metadata"]["namespace"] == namespace and _selector(owner).matches(labels_of(pod)):
                self.queue.add(key_of(owner))

    async def reconcile(self, key: str) -> None:
        """Make or delete pods, then write the status."""
        owner = self._sets.store.get(key)
        if owner is None:
            self._expectations.forget(key)
            self._told.pop(key, None)
            return
        ready_to_act = self._expectations.satisfied(key)
        namespace, _ = split_key(key)
        mine = self._pods.by_index("controller", owner["metadata"]["uid"])
        orphans = self._pods.by_index("controller", f"orphan/{namespace}")
        claims = ownership.Claims(self.client, REPLICA_SETS, owner, PODS, _selector(owner))
        active = await claims.claim([pod for pod in (*mine, *orphans) if podstate.is_active(pod)])
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
        await self._write_status(owner, active, len(terminating), failure, brake)
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
            await self._delete(key, owner, pods_to_delete(active, min(difference, BURST)))

    async def _create(self, key: str, owner: Object, count: int) -> None:
        """In batches of 1, 2, 4, ..., so that what fails for all is not tried for all."""
        made, batch = 0, 1
        while made < count:
            size = min(batch, count - made)
            results = await asyncio.gather(*(self._create_one(key, owner) for _ in range(size)), return_exceptions=True)
            for result in results:
                if isinstance(result, StatusError) and is_namespace_terminating(result):
                    return
                if isinstance(result, BaseException):
                    raise result
            made += size
            batch *= 2

    async def _create_one(self, key: str, owner: Object) -> None:
        pod = from_template(owner["spec"].get("template") or {}, REPLICA_SETS, owner)
        self._expectations.created(key, await self._pod_control.create(pod, owner))

    async def _delete(self, key: str, owner: Object, pods: Sequence[Object]) -> None:
        async def one(pod: Object) -> None:
            self._expectations.deleting(key, pod)
            try:
                if not await self._pod_control.delete(pod, owner):
                    self._expectations.not_deleting(key, pod)
            except PodsysctlError:
                self._expectations.not_deleting(key, pod)
                raise

        results = await asyncio.gather(*map(one, pods), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _write_status(
        self,
        owner: Object,
        active: list[Object],
        terminating: int,
        failure: PodsysctlError | None,
        brake: Brake | None,
    ) -> None:
        status = self._status(owner, active, terminating, failure, brake)
        if status == (owner.get("status") or {}):
            return
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
        status: Object = {
            "replicas": len(active),
            "fullyLabeledReplicas": sum(template.matches(labels_of(pod)) for pod in active),
            "readyReplicas": sum(podstate.is_ready(pod) for pod in active),
            "availableReplicas": sum(podstate.is_available(pod, min_ready_s, now) for pod in active),
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


def _selector(owner: Object) -> selectors.LabelSelector:
    return selectors.from_object(owner["spec"].get("selector"))
