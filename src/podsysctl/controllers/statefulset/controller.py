"""The loop over StatefulSets.

Source: Kubernetes 1.36 `pkg/controller/statefulset/stateful_set_control.go`. Not here: volume claims, which
this server has no kind for. Pods that their nodes refuse for a sysctl are replaced ever more slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.controllers import conditions, podstate, rejections
from podsysctl.controllers.deployment.sizes import scaled_value
from podsysctl.controllers.history import History
from podsysctl.controllers.podcontrol import is_namespace_terminating
from podsysctl.controllers.podowner import PodOwner
from podsysctl.controllers.rejections import Brake
from podsysctl.controllers.scope import (
    CONTROLLER_REVISIONS,
    PODS,
    STATEFUL_SETS,
    Object,
    Scope,
    is_deleting,
    labels_of,
)
from podsysctl.controllers.statefulset import identity

REMEMBERED = 50
"""Refused pods of one set that are kept in mind after they were deleted."""


@dataclass(slots=True)
class _Step:
    """One look at one set: its pods by number, and those that are too many, the highest first."""

    owner: Object
    now: datetime
    current: Object
    update: Object
    pods: dict[int, Object]
    condemned: list[Object]
    brake: Brake | None
    budget: int | None = field(init=False)
    """How many refused pods may be tried again; None for any number."""

    def __post_init__(self) -> None:
        self.budget = None if self.brake is None else self.brake.allowed

    @property
    def ordered(self) -> bool:
        """Whether each pod waits for the one before it."""
        return bool((self.owner["spec"].get("podManagementPolicy") or "OrderedReady") == "OrderedReady")

    @property
    def min_ready_s(self) -> int:
        """How long a pod must be ready to be available."""
        return int(self.owner["spec"].get("minReadySeconds") or 0)

    @property
    def numbers(self) -> range:
        """The numbers that the set is to have."""
        first = identity.first_ordinal(self.owner)
        return range(first, first + identity.replicas(self.owner))

    @property
    def rolling(self) -> Object | None:
        """The options of a rolling update; None when pods are only replaced by hand."""
        strategy = self.owner["spec"].get("updateStrategy") or {}
        if (strategy.get("type") or "RollingUpdate") != "RollingUpdate":
            return None
        found: Object = strategy.get("rollingUpdate") or {}
        return found

    def available(self, pod: Object | None) -> bool:
        """Whether a pod serves, and will go on doing so."""
        return pod is not None and not is_deleting(pod) and podstate.is_available(pod, self.min_ready_s, self.now)

    def revision_for(self, number: int) -> Object:
        """The revision that a new pod of a number is made of."""
        rolling = self.rolling
        if rolling is None:
            return self.update
        return self.current if number - self.numbers.start < int(rolling.get("partition") or 0) else self.update


class StatefulSetController(PodOwner):
    """Keeps the pods of StatefulSets."""

    name = "statefulset-controller"
    kind = STATEFUL_SETS

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._history = History(scope.client, self.need(CONTROLLER_REVISIONS), STATEFUL_SETS)
        self._refused: dict[str, list[Object]] = {}
        """By owner uid: refused pods that were deleted."""
        self._told: dict[str, int] = {}

    def owner_gone(self, owner: Object) -> None:
        """A set was deleted."""
        self._refused.pop(owner["metadata"]["uid"], None)
        self._told.pop(owner["metadata"]["uid"], None)
        super().owner_gone(owner)

    async def reconcile(self, key: str) -> None:
        """Start, update and stop pods as far as their order allows now; write the status."""
        owner = self._owners.store.get(key)
        if owner is None:
            return
        pods = await self.claimed(owner, lambda pod: identity.ordinal(owner, pod) is not None)
        step, old = await self._look(owner, pods)
        failure: PodsysctlError | None = None
        if self._expectations.satisfied(key) and not is_deleting(owner):
            try:
                await self._work(key, step)
                await self._clean_up(step, old, pods)
            except PodsysctlError as error:
                failure = error
        self._tell(key, step)
        await self._write_status(key, step, pods)
        if failure is not None:
            raise failure

    async def _look(self, owner: Object, pods: Sequence[Object]) -> tuple[_Step, list[Object]]:
        update, old = await self._history.current(owner)
        name = (owner.get("status") or {}).get("currentRevision")
        current = next((entry for entry in old if entry["metadata"]["name"] == name), update)
        now = self.scope.clock.now()
        uid = owner["metadata"]["uid"]
        brake = rejections.look([*self._refused.get(uid, ()), *pods], identity.replicas(owner), now)
        if brake is None:
            self._refused.pop(uid, None)
        step = _Step(owner, now, current, update, {}, [], brake)
        for pod in pods:
            number = identity.ordinal(owner, pod)
            if number is None:
                continue
            if number in step.numbers:
                step.pods[number] = pod
            else:
                step.condemned.append(pod)
        step.condemned.sort(key=lambda pod: -(identity.ordinal(owner, pod) or 0))
        return step, old

    async def _work(self, key: str, step: _Step) -> None:
        for number in step.numbers:
            if await self._keep(key, step, number):
                return
        waiting_for = self._first_unavailable(step)
        for pod in step.condemned:
            if is_deleting(pod):
                if step.ordered:
                    return
                continue
            if step.ordered and not step.available(pod) and pod is not waiting_for:
                return
            await self._delete(key, step, pod)
            if step.ordered:
                return
        await self._roll(key, step)

    def _first_unavailable(self, step: _Step) -> Object | None:
        listed = [step.pods[number] for number in step.numbers if number in step.pods]
        return next((pod for pod in (*listed, *reversed(step.condemned)) if not step.available(pod)), None)

    async def _keep(self, key: str, step: _Step, number: int) -> bool:
        """See to one number; True when the ones after it have to wait."""
        pod = step.pods.get(number)
        if pod is None:
            if step.budget is not None:
                if step.budget <= 0:
                    return step.ordered
                step.budget -= 1
            await self._create(key, step, number)
            return step.ordered
        if podstate.is_finished(pod):
            await self._replace(key, step, pod)
            return step.ordered
        if step.ordered and not step.available(pod):
            return True
        await self._name(step, pod, number)
        return False

    async def _replace(self, key: str, step: _Step, pod: Object) -> None:
        """Delete a finished pod, so that it is made again."""
        refused = rejections.is_rejected(pod)
        if refused and step.budget is not None:
            if step.budget <= 0:
                return
            step.budget -= 1
        if is_deleting(pod):
            return
        if refused:
            self._remember(step, pod)
        await self._delete(key, step, pod)

    def _remember(self, step: _Step, pod: Object) -> None:
        known = self._refused.setdefault(step.owner["metadata"]["uid"], [])
        known.append({"metadata": pod["metadata"], "status": pod["status"]})
        del known[:-REMEMBERED]

    async def _roll(self, key: str, step: _Step) -> None:
        """Replace pods of other revisions from the highest number down to the partition."""
        rolling = step.rolling
        if rolling is None:
            return
        lowest = step.numbers.start + int(rolling.get("partition") or 0)
        whole = identity.replicas(step.owner)
        limit = max(1, scaled_value(rolling.get("maxUnavailable", 1), whole, round_up=False))
        away = sum(not step.available(step.pods.get(number)) for number in step.numbers) if limit > 1 else 0
        for number in reversed(step.numbers):
            if number < lowest or away >= limit:
                return
            pod = step.pods.get(number)
            if pod is None:
                return
            if identity.revision_of(pod) != step.update["metadata"]["name"] and not is_deleting(pod):
                await self._delete(key, step, pod)
                away += 1
            elif limit == 1 and not step.available(pod):
                return

    async def _create(self, key: str, step: _Step, number: int) -> None:
        pod = identity.new_pod(step.owner, step.revision_for(number), number)
        try:
            created = await self.client.create(PODS, pod)
        except StatusError as error:
            if is_namespace_terminating(error):
                return
            if error.status_reason != "AlreadyExists":
                self._event(step.owner, "create", pod, error)
            raise
        self._event(step.owner, "create", pod)
        self._expectations.created(key, created)

    async def _delete(self, key: str, step: _Step, pod: Object) -> None:
        metadata = pod["metadata"]
        self._expectations.deleting(key, pod)
        try:
            await self.client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except StatusError as error:
            self._expectations.not_deleting(pod)
            if error.code not in (404, 409):
                self._event(step.owner, "delete", pod, error)
                raise
        except PodsysctlError:
            self._expectations.not_deleting(pod)
            raise
        self._event(step.owner, "delete", pod)

    async def _name(self, step: _Step, pod: Object, number: int) -> None:
        """Give an adopted pod the labels of its number."""
        wanted = identity.labels_for(pod["metadata"]["name"], number)
        if wanted.items() <= labels_of(pod).items():
            return
        metadata = pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"], "labels": wanted}}
        try:
            await self.client.patch(PODS, metadata["name"], patch, namespace=metadata["namespace"])
        except StatusError as error:
            self._event(step.owner, "update", pod, error)
            raise
        self._event(step.owner, "update", pod)

    def _event(self, owner: Object, verb: str, pod: Object, error: StatusError | None = None) -> None:
        verb = verb.title()
        text = f"{verb} Pod {pod['metadata']['name']} in StatefulSet {owner['metadata']['name']}"
        if error is None:
            self._recorder.event(owner, "Normal", f"Successful{verb}", f"{text} successful")
        else:
            self._recorder.event(owner, "Warning", f"Failed{verb}", f"{text} failed error: {error.message}")

    async def _clean_up(self, step: _Step, old: Sequence[Object], pods: Sequence[Object]) -> None:
        prefix = f"{step.owner['metadata']['name']}-"
        names = {identity.revision_of(pod) for pod in pods} | {step.current["metadata"]["name"]}
        await self._history.clean_up(step.owner, old, {name.removeprefix(prefix) for name in names})

    def _tell(self, key: str, step: _Step) -> None:
        """One event for each attempt that the nodes refused."""
        uid, brake = step.owner["metadata"]["uid"], step.brake
        if brake is None:
            self._told.pop(uid, None)
        elif brake.wait_s:
            self.queue.add_after(key, brake.wait_s)
            if self._told.get(uid) != brake.attempts:
                self._told[uid] = brake.attempts
                self._recorder.event(step.owner, "Warning", rejections.REASON, brake.message)

    async def _write_status(self, key: str, step: _Step, pods: Sequence[Object]) -> None:
        ready = [pod for pod in pods if podstate.phase(pod) == "Running" and podstate.is_ready(pod)]
        available = [pod for pod in ready if podstate.is_available(pod, step.min_ready_s, step.now)]
        live = [identity.revision_of(pod) for pod in pods if not is_deleting(pod)]
        current, update = step.current["metadata"]["name"], step.update["metadata"]["name"]
        before = step.owner.get("status") or {}
        status: Object = {
            "observedGeneration": step.owner["metadata"].get("generation", 0),
            "replicas": len(pods),
            "readyReplicas": len(ready),
            "currentReplicas": live.count(current),
            "updatedReplicas": live.count(update),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": int(before.get("collisionCount") or 0),
            "availableReplicas": len(available),
        }
        wanted = identity.replicas(step.owner)
        if step.rolling is not None and {len(pods), len(ready), status["updatedReplicas"]} == {wanted}:
            status |= {"currentReplicas": wanted, "currentRevision": update}
        for name in ("readyReplicas", "currentReplicas", "updatedReplicas"):
            if not status[name]:
                del status[name]
        if before.get("conditions"):
            status["conditions"] = list(before["conditions"])
        if step.brake is None:
            conditions.drop(status, "ReplicaFailure")
        else:
            text = step.brake.message
            made = conditions.make("ReplicaFailure", "True", rejections.REASON, text, self.scope.now())
            conditions.put(status, made)
        if status != before:
            await self.client.update(STATEFUL_SETS, {**step.owner, "status": status}, "status")
        if step.min_ready_s and len(available) < len(ready):
            waits = [podstate.available_in_s(pod, step.min_ready_s, step.now) for pod in ready]
            self.queue.add_after(key, min(wait for wait in waits if wait > 0))
