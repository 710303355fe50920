"""The loop over Deployments: find or make the new ReplicaSet, scale, report.

Source: Kubernetes 1.36 `pkg/controller/deployment`.
"""

from __future__ import annotations

from collections.abc import Sequence

from podsysctl.base.errors import StatusError
from podsysctl.controllers import conditions, ownership, podstate
from podsysctl.controllers.deployment import progress, revisions, sizes
from podsysctl.controllers.podcontrol import is_namespace_terminating
from podsysctl.controllers.scope import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    Object,
    Reconciler,
    Scope,
    annotations_of,
    is_deleting,
    key_of,
    labels_of,
    split_key,
)
from podsysctl.objects import selectors


class DeploymentController(Reconciler):
    """Rolls Deployments out."""

    name = "deployment-controller"

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._recorder = scope.recorder(self.name)
        self._deployments = self.need(DEPLOYMENTS)
        self._sets = self.need(REPLICA_SETS)
        self._pods = self.need(PODS)
        self._sets.add_index("controller", ownership.controller_index)
        self._pods.add_index("controller", ownership.controller_index)
        self._deployments.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)),
            on_update=lambda _, new: self.queue.add(key_of(new)),
            on_delete=lambda obj: self.queue.add(key_of(obj)),
        )
        self._sets.add_handler(
            on_add=self._set_changed,
            on_update=lambda old, new: self._set_updated(old, new),
            on_delete=self._set_changed,
        )
        self._pods.add_handler(on_delete=self._pod_gone)

    def _set_updated(self, old: Object, new: Object) -> None:
        if ownership.controller_reference(old) != ownership.controller_reference(new):
            self._set_changed(old)
        self._set_changed(new)

    def _set_changed(self, replica_set: Object) -> None:
        namespace = replica_set["metadata"]["namespace"]
        reference = ownership.controller_reference(replica_set)
        if reference is not None:
            if reference.get("kind") == DEPLOYMENTS.kind:
                self.queue.add(f"{namespace}/{reference['name']}")
            return
        for deployment in self._deployments.store.values():
            if deployment["metadata"]["namespace"] == namespace and _selector(deployment).matches(
                labels_of(replica_set)
            ):
                self.queue.add(key_of(deployment))

    def _pod_gone(self, pod: Object) -> None:
        """Recreate waits for the last old pod."""
        reference = ownership.controller_reference(pod)
        if reference is None or reference.get("kind") != REPLICA_SETS.kind:
            return
        namespace = pod["metadata"]["namespace"]
        replica_set = self._sets.store.get(f"{namespace}/{reference['name']}")
        above = ownership.controller_reference(replica_set) if replica_set is not None else None
        deployment = self._deployments.store.get(f"{namespace}/{above['name']}") if above is not None else None
        if deployment is not None and not sizes.is_rolling(deployment):
            self.queue.add(key_of(deployment))

    async def reconcile(self, key: str) -> None:
        """One step of one rollout."""
        found = self._deployments.store.get(key)
        if found is None:
            return
        deployment: Object = {**found, "status": dict(found.get("status") or {})}
        if not deployment["spec"].get("selector"):
            text = "This deployment is selecting all pods. A non-empty selector is required."
            self._recorder.event(deployment, "Warning", "SelectingAll", text)
            return
        namespace, _ = split_key(key)
        mine = self._sets.by_index("controller", deployment["metadata"]["uid"])
        orphans = self._sets.by_index("controller", f"orphan/{namespace}")
        claims = ownership.Claims(self.client, DEPLOYMENTS, deployment, REPLICA_SETS, _selector(deployment))
        sets = [dict(entry) for entry in await claims.claim([*mine, *orphans])]
        if is_deleting(deployment):
            await self._write_status(deployment, sets, revisions.find_new(deployment, sets), rollout=False)
            return
        await self._check_paused(deployment)
        if deployment["spec"].get("paused") or _is_scaling(deployment, sets):
            await self._scale_all(deployment, sets)
        elif sizes.is_rolling(deployment):
            await self._roll(deployment, sets)
        else:
            await self._recreate(deployment, sets)

    async def _check_paused(self, deployment: Object) -> None:
        """Pausing and resuming stop the clock of the deadline."""
        status = deployment["status"]
        condition = conditions.find(status, progress.PROGRESSING)
        if progress.deadline_s(deployment) is None or (condition or {}).get("reason") == progress.TIMED_OUT:
            return
        paused = bool(deployment["spec"].get("paused"))
        if paused == ((condition or {}).get("reason") == "DeploymentPaused"):
            return
        reason, text = ("DeploymentPaused", "paused") if paused else ("DeploymentResumed", "resumed")
        if not paused and condition is None:
            return
        made = progress.make(progress.PROGRESSING, "Unknown", reason, f"Deployment is {text}", self.scope.clock.now())
        conditions.put(status, made, keyed_by_reason=True)
        await self._put_status(deployment)

    async def _sync_revision(
        self, deployment: Object, sets: Sequence[Object], *, create: bool
    ) -> tuple[Object | None, list[Object]]:
        """The new ReplicaSet, brought up to date or made, and the old ones."""
        new = revisions.find_new(deployment, sets)
        old = [entry for entry in sets if new is None or entry["metadata"]["uid"] != new["metadata"]["uid"]]
        revision = revisions.next_revision(old)
        if new is not None:
            new = await self._update_new(deployment, new, revision)
        elif create:
            new = await self._create_new(deployment, old, revision)
        return new, old

    async def _update_new(self, deployment: Object, new: Object, revision: int) -> Object:
        wanted = revisions.annotate(deployment, annotations_of(new), revision, exists=True)
        min_ready_s = int(deployment["spec"].get("minReadySeconds") or 0)
        if wanted != annotations_of(new) or int(new["spec"].get("minReadySeconds") or 0) != min_ready_s:
            metadata = {**new["metadata"], "annotations": wanted}
            spec = {**new["spec"], "minReadySeconds": min_ready_s}
            return await self.client.update(REPLICA_SETS, {**new, "metadata": metadata, "spec": spec})
        await self._set_revision(deployment, wanted.get(revisions.REVISION, str(revision)))
        if progress.deadline_s(deployment) is not None and (
            conditions.find(deployment["status"], progress.PROGRESSING) is None
        ):
            text = f'Found new replica set "{new["metadata"]["name"]}"'
            self._set_progressing(deployment, "True", "FoundNewReplicaSet", text)
            await self._put_status(deployment)
        return new

    async def _set_revision(self, deployment: Object, revision: str) -> None:
        """Show the newest revision on the Deployment."""
        if annotations_of(deployment).get(revisions.REVISION) == revision:
            return
        metadata = deployment["metadata"]
        patch = {"metadata": {"uid": metadata["uid"], "annotations": {revisions.REVISION: revision}}}
        fresh = await self.client.patch(DEPLOYMENTS, metadata["name"], patch, namespace=metadata["namespace"])
        deployment["metadata"] = fresh["metadata"]

    def _set_progressing(self, deployment: Object, status: str, reason: str, text: str) -> None:
        made = progress.make(progress.PROGRESSING, status, reason, text, self.scope.clock.now())
        conditions.put(deployment["status"], made, keyed_by_reason=True)

    async def _create_new(self, deployment: Object, old: list[Object], revision: int) -> Object:
        wanted = revisions.make_set(deployment, revision, 0)
        size = sizes.new_size(deployment, [*old, wanted], wanted)
        wanted["spec"]["replicas"] = size
        name = wanted["metadata"]["name"]
        try:
            created = await self.client.create(REPLICA_SETS, wanted)
        except StatusError as error:
            if error.code == 409 and error.status_reason == "AlreadyExists":
                return await self._existing(deployment, name)
            if not is_namespace_terminating(error):
                await self._tell_failure(deployment, name, error)
            raise
        if size > 0:
            text = f"Scaled up replica set {name} from 0 to {size}"
            self._recorder.event(deployment, "Normal", "ScalingReplicaSet", text)
        await self._set_revision(deployment, str(revision))
        if progress.deadline_s(deployment) is not None:
            text = f'Created new replica set "{name}"'
            self._set_progressing(deployment, "True", "NewReplicaSetCreated", text)
            await self._put_status(deployment)
        return created

    async def _existing(self, deployment: Object, name: str) -> Object:
        """A ReplicaSet of that name: ours from before, or a collision, after which another hash is taken."""
        found = await self.client.get(REPLICA_SETS, name, deployment["metadata"]["namespace"])
        ours = ownership.is_controlled_by(found, deployment)
        if ours and revisions.same_template(found["spec"]["template"], deployment["spec"]["template"]):
            return found
        status = deployment["status"]
        status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
        await self._put_status(deployment)
        raise StatusError(409, "AlreadyExists", f'replicasets.apps "{name}" already exists')

    async def _tell_failure(self, deployment: Object, name: str, error: StatusError) -> None:
        text = f'Failed to create new replica set "{name}": {error.message}'
        self._recorder.event(deployment, "Warning", "ReplicaSetCreateError", text)
        if progress.deadline_s(deployment) is not None:
            self._set_progressing(deployment, "False", "ReplicaSetCreateError", text)
            await self._put_status(deployment)

    async def _scale_all(self, deployment: Object, sets: Sequence[Object]) -> None:
        """Follow a change of `spec.replicas` without rolling."""
        new, old = await self._sync_revision(deployment, sets, create=False)
        everything = [*old, *([new] if new else [])]
        active = [entry for entry in everything if sizes.replicas(entry)]
        desired = sizes.replicas(deployment)
        if len(active) <= 1:
            target = active[0] if active else new or next(reversed(revisions.oldest_first(old)), None)
            if target is not None and sizes.replicas(target) != desired:
                await self._scale(deployment, target, desired)
        elif new is not None and _is_saturated(deployment, new):
            for entry in old:
                await self._scale(deployment, entry, 0)
        elif sizes.is_rolling(deployment):
            wanted = sizes.proportional(deployment, active)
            for entry in active:
                await self._scale(deployment, entry, wanted[entry["metadata"]["name"]], annotate=True)
        if deployment["spec"].get("paused"):
            await self._clean_up(deployment, old)
        await self._write_status(deployment, everything, new, rollout=False)

    async def _roll(self, deployment: Object, sets: Sequence[Object]) -> None:
        new, old = await self._sync_revision(deployment, sets, create=True)
        if new is None:
            return
        everything = [*old, new]
        desired = sizes.replicas(deployment)
        size = desired if sizes.replicas(new) > desired else sizes.new_size(deployment, everything, new)
        scaled = await self._scale(deployment, new, size)
        if not scaled:
            scaled = await self._roll_old(deployment, new, old)
        if not scaled and progress.is_complete(deployment, deployment["status"]):
            await self._clean_up(deployment, old)
        await self._write_status(deployment, everything, new, rollout=True)

    async def _roll_old(self, deployment: Object, new: Object, old: Sequence[Object]) -> bool:
        """Scale old ReplicaSets down: unhealthy pods first, then as availability allows."""
        active = [entry for entry in revisions.oldest_first(old) if sizes.replicas(entry)]
        if not active:
            return False
        least = sizes.replicas(deployment) - sizes.max_unavailable(deployment)
        new_unavailable = sizes.replicas(new) - sizes.counted([new], "availableReplicas")
        budget = sizes.total([*active, new]) - least - new_unavailable
        if budget <= 0:
            return False
        planned = {entry["metadata"]["name"]: sizes.replicas(entry) for entry in active}
        for entry in active:
            name = entry["metadata"]["name"]
            sick = planned[name] - sizes.counted([entry], "availableReplicas")
            gone = max(0, min(budget, sick))
            planned[name] -= gone
            budget -= gone
        spare = sizes.counted([*active, new], "availableReplicas") - least
        for entry in active:
            name = entry["metadata"]["name"]
            gone = max(0, min(planned[name], spare))
            planned[name] -= gone
            spare -= gone
        scaled = False
        for entry in active:
            scaled = await self._scale(deployment, entry, planned[entry["metadata"]["name"]]) or scaled
        return scaled

    async def _recreate(self, deployment: Object, sets: Sequence[Object]) -> None:
        """All old pods go before the first new one comes."""
        new, old = await self._sync_revision(deployment, sets, create=False)
        scaled = False
        for entry in old:
            scaled = await self._scale(deployment, entry, 0) or scaled
        if not scaled and not self._old_pods_run(old):
            if new is None:
                new, old = await self._sync_revision(deployment, sets, create=True)
            if new is not None:
                await self._scale(deployment, new, sizes.replicas(deployment))
            if progress.is_complete(deployment, deployment["status"]):
                await self._clean_up(deployment, old)
        await self._write_status(deployment, [*old, *([new] if new else [])], new, rollout=True)

    def _old_pods_run(self, old: Sequence[Object]) -> bool:
        if sizes.counted(old, "replicas"):
            return True
        return any(
            not podstate.is_finished(pod)
            for entry in old
            for pod in self._pods.by_index("controller", entry["metadata"]["uid"])
        )

    async def _scale(self, deployment: Object, entry: Object, size: int, *, annotate: bool = False) -> bool:
        """Give a ReplicaSet a size; with `annotate` also when only its annotations are out of date."""
        before = sizes.replicas(entry)
        wanted = {**annotations_of(entry), **revisions.size_annotations(deployment)}
        if before == size and not (annotate and wanted != annotations_of(entry)):
            return False
        metadata = {**entry["metadata"], "annotations": wanted}
        changed = {**entry, "metadata": metadata, "spec": {**entry["spec"], "replicas": size}}
        fresh = await self.client.update(REPLICA_SETS, changed)
        entry.clear()
        entry.update(fresh)
        if before == size:
            return False
        name = entry["metadata"]["name"]
        way = "up" if size > before else "down"
        text = f"Scaled {way} replica set {name} from {before} to {size}"
        self._recorder.event(deployment, "Normal", "ScalingReplicaSet", text)
        return True

    async def _clean_up(self, deployment: Object, old: Sequence[Object]) -> None:
        """Delete ReplicaSets beyond the history limit."""
        limit = deployment["spec"].get("revisionHistoryLimit")
        if limit is None:
            return
        alive = sorted((entry for entry in old if not is_deleting(entry)), key=revisions.revision_of)
        for entry in alive[: max(0, len(alive) - int(limit))]:
            status = entry.get("status") or {}
            settled = int(status.get("observedGeneration") or 0) >= int(entry["metadata"].get("generation") or 0)
            if status.get("replicas") or sizes.replicas(entry) or not settled:
                continue
            try:
                await self.client.delete(REPLICA_SETS, entry["metadata"]["name"], entry["metadata"]["namespace"])
            except StatusError as error:
                if error.code != 404:
                    raise

    async def _write_status(
        self, deployment: Object, sets: Sequence[Object], new: Object | None, *, rollout: bool
    ) -> None:
        now = self.scope.clock.now()
        compute = progress.rollout_status if rollout else progress.calculate
        status = compute(deployment, sets, new, now)
        if status != deployment["status"]:
            deployment["status"] = status
            await self._put_status(deployment)
        wait_s = progress.check_again_s(deployment, status, now)
        if rollout and wait_s is not None:
            self.queue.add_after(key_of(deployment), wait_s)

    async def _put_status(self, deployment: Object) -> None:
        fresh = await self.client.update(DEPLOYMENTS, deployment, "status")
        deployment["metadata"] = fresh["metadata"]
        deployment["status"] = dict(fresh.get("status") or {})


def _selector(deployment: Object) -> selectors.LabelSelector:
    return selectors.from_object(deployment["spec"].get("selector"))


def _is_scaling(deployment: Object, sets: Sequence[Object]) -> bool:
    """Whether the wanted number changed since an active ReplicaSet was scaled."""
    desired = str(sizes.replicas(deployment))
    known = (annotations_of(entry).get(revisions.DESIRED_REPLICAS) for entry in sets if sizes.replicas(entry))
    return any(value is not None and value != desired for value in known)


def _is_saturated(deployment: Object, new: Object) -> bool:
    desired = sizes.replicas(deployment)
    return (
        sizes.replicas(new) == desired
        and annotations_of(new).get(revisions.DESIRED_REPLICAS) == str(desired)
        and sizes.counted([new], "availableReplicas") == desired
    )
