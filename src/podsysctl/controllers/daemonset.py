"""DaemonSets: one pod of a template on every node that fits.

Source: Kubernetes 1.36 `pkg/controller/daemon`. Failed pods are replaced after a delay that doubles per node
from a second to a quarter of an hour, as upstream; refusals for sysctls are told in a condition besides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from podsysctl.base.errors import PodsysctlError
from podsysctl.controllers import conditions, podstate, rejections
from podsysctl.controllers.deployment.sizes import scaled_value
from podsysctl.controllers.history import HASH_LABEL, History, hash_of
from podsysctl.controllers.podcontrol import from_template
from podsysctl.controllers.podowner import PodOwner, all_done, in_batches
from podsysctl.controllers.scope import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    NODES,
    Object,
    Scope,
    is_deleting,
    key_of,
    labels_of,
)
from podsysctl.objects import node_affinity, taints
from podsysctl.objects.patch import tree

BURST = 250
BACKOFF_S = (1.0, 900.0)
"""First and longest delay before a failed pod on a node is replaced."""

_HARD = (taints.NO_SCHEDULE, taints.NO_EXECUTE)
_TOLERATED = (
    (taints.NOT_READY, taints.NO_EXECUTE),
    (taints.UNREACHABLE, taints.NO_EXECUTE),
    (taints.PRESSURES["DiskPressure"], taints.NO_SCHEDULE),
    (taints.PRESSURES["MemoryPressure"], taints.NO_SCHEDULE),
    (taints.PRESSURES["PIDPressure"], taints.NO_SCHEDULE),
    (taints.UNSCHEDULABLE, taints.NO_SCHEDULE),
)


class DaemonSetController(PodOwner):
    """Keeps daemon pods on nodes."""

    name = "daemonset-controller"
    kind = DAEMON_SETS
    workers = 2

    def __init__(self, scope: Scope) -> None:
        self._nodes = scope.informer(NODES)
        super().__init__(scope)
        self.need(NODES)
        self._history = History(scope.client, self.need(CONTROLLER_REVISIONS), DAEMON_SETS)
        self._backoff: dict[tuple[str, str], tuple[float, float]] = {}
        """By owner uid and node: the delay, and when it was set."""
        self._nodes.add_handler(
            on_add=lambda _: self._all(), on_update=self._node_updated, on_delete=self._node_gone
        )

    def size(self, uid: str) -> int:
        """A look goes through all nodes."""
        return len(self._nodes.store)

    def _all(self) -> None:
        for key in self._owners.store:
            self.soon(key, len(self._nodes.store))

    def _node_updated(self, old: Object, new: Object) -> None:
        if labels_of(old) != labels_of(new) or old.get("spec") != new.get("spec"):
            self._all()

    def owner_gone(self, owner: Object) -> None:
        """A DaemonSet was deleted."""
        uid = owner["metadata"]["uid"]
        for identity in [identity for identity in self._backoff if identity[0] == uid]:
            del self._backoff[identity]
        super().owner_gone(owner)

    def _node_gone(self, node: Object) -> None:
        name = node["metadata"]["name"]
        for identity in [identity for identity in self._backoff if identity[1] == name]:
            del self._backoff[identity]
        self._all()

    async def reconcile(self, key: str) -> None:
        """Place and remove pods, roll an update on, write the status."""
        owner = self._owners.store.get(key)
        if owner is None or is_deleting(owner):
            return
        current, old = await self._history.current(owner)
        digest = hash_of(current)
        pods = await self.claimed(owner)
        failure: PodsysctlError | None = None
        if self._expectations.satisfied(key):
            try:
                await self._manage(key, owner, pods, digest)
                if self._expectations.satisfied(key):
                    await self._roll(key, owner, pods, digest)
                in_use = {labels_of(pod).get(HASH_LABEL, "") for pod in pods}
                await self._history.clean_up(owner, old, in_use)
            except PodsysctlError as error:
                failure = error
        await self._write_status(key, owner, pods, digest)
        if failure is not None:
            raise failure

    async def _manage(self, key: str, owner: Object, pods: Sequence[Object], digest: str) -> None:
        """Pods for nodes that lack one, away with those that are failed, doubled or misplaced."""
        placed = by_node(pods)
        missing: list[str] = []
        surplus: list[Object] = []
        for name, node in self._nodes.store.items():
            wanted, may_stay = should_run(owner, node)
            here = placed.pop(name, [])
            if wanted and not here:
                missing.append(name)
            elif may_stay:
                running = self._running(key, owner, name, here, surplus)
                surplus += sorted(running, key=_age)[1 + _surge(owner, 1) :]
            else:
                surplus += [pod for pod in here if not is_deleting(pod)]
        for stranded in placed.values():
            surplus += [pod for pod in stranded if not is_deleting(pod) and _node_of(pod)]
        await self._change(key, owner, missing, surplus, digest)

    def _running(
        self, key: str, owner: Object, node: str, pods: Iterable[Object], surplus: list[Object]
    ) -> list[Object]:
        """The pods of a node that run; finished ones are added to the surplus when their time has come."""
        out = []
        for pod in pods:
            if is_deleting(pod):
                continue
            if podstate.phase(pod) == "Failed":
                if self._may_replace(key, owner, node):
                    name = key_of(pod)
                    text = f"Found failed daemon pod {name} on node {node}, will try to kill it"
                    self._recorder.event(owner, "Warning", "FailedDaemonPod", text)
                    surplus.append(pod)
            elif podstate.phase(pod) == "Succeeded":
                text = f"Found succeeded daemon pod {key_of(pod)} on node {node}, will try to delete it"
                self._recorder.event(owner, "Normal", "SucceededDaemonPod", text)
                surplus.append(pod)
            else:
                out.append(pod)
        return out

    def _may_replace(self, key: str, owner: Object, node: str) -> bool:
        """Whether the delay of a node is over; if so it doubles."""
        first_s, longest_s = BACKOFF_S
        now_s = self.scope.clock.monotonic_s()
        identity = (owner["metadata"]["uid"], node)
        delay_s, since_s = self._backoff.get(identity, (0.0, now_s))
        if delay_s and now_s - since_s > 2 * longest_s:
            delay_s = 0.0
        left_s = since_s + delay_s - now_s
        if delay_s and left_s > 0:
            self.queue.add_after(key, left_s)
            return False
        self._backoff[identity] = (min(max(first_s, delay_s * 2), longest_s), now_s)
        return True

    async def _change(
        self, key: str, owner: Object, nodes: Sequence[str], surplus: Sequence[Object], digest: str
    ) -> None:
        template = daemon_template(owner["spec"]["template"], digest)

        async def one(node: str) -> None:
            pod = from_template(template, DAEMON_SETS, owner)
            pod["spec"]["affinity"] = node_bound(pod["spec"].get("affinity"), node)
            await self.create_pod(key, owner, pod)

        await in_batches(nodes[:BURST], one)
        await all_done(self.delete_pod(key, owner, pod) for pod in surplus[:BURST])

    async def _roll(self, key: str, owner: Object, pods: Sequence[Object], digest: str) -> None:
        """Replace pods of older revisions, as many at once as may be away."""
        strategy = owner["spec"].get("updateStrategy") or {}
        if (strategy.get("type") or "RollingUpdate") != "RollingUpdate":
            return
        placed = by_node(pods)
        wanted = [name for name, node in self._nodes.store.items() if should_run(owner, node)[0]]
        rolling = strategy.get("rollingUpdate") or {}
        surge = scaled_value(rolling.get("maxSurge") or 0, len(wanted), round_up=True)
        limit = scaled_value(rolling.get("maxUnavailable", 1), len(wanted), round_up=True)
        if not surge and not limit:
            limit = 1
        if surge:
            await self._surge(key, owner, placed, digest, surge)
            return
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        now = self.scope.clock.now()
        unavailable = sum(name not in placed for name in wanted)
        replace: list[Object] = []
        candidates: list[Object] = []
        for here in placed.values():
            alive = [pod for pod in here if podstate.is_active(pod)]
            fresh = [pod for pod in alive if labels_of(pod).get(HASH_LABEL) == digest]
            stale = [pod for pod in alive if pod not in fresh]
            if len(alive) != 1:
                unavailable += 1
            elif fresh:
                unavailable += not podstate.is_available(fresh[0], min_ready_s, now)
            elif not podstate.is_available(stale[0], min_ready_s, now):
                unavailable += 1
                replace.append(stale[0])
            else:
                candidates.append(stale[0])
        spare = max(0, limit - unavailable)
        await self._change(key, owner, [], [*replace, *candidates[:spare]], digest)

    async def _surge(
        self, key: str, owner: Object, placed: Mapping[str, list[Object]], digest: str, surge: int
    ) -> None:
        """New pods first; an old one goes when the new one on its node is available."""
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        now = self.scope.clock.now()
        surging = 0
        allowed: list[str] = []
        candidates: list[str] = []
        gone: list[Object] = []
        for node, here in placed.items():
            alive = [pod for pod in here if podstate.is_active(pod)]
            fresh = [pod for pod in alive if labels_of(pod).get(HASH_LABEL) == digest]
            stale = [pod for pod in alive if pod not in fresh]
            if stale and fresh:
                if podstate.is_available(fresh[0], min_ready_s, now):
                    gone += stale
                else:
                    surging += 1
            elif stale:
                healthy = podstate.is_available(stale[0], min_ready_s, now)
                (candidates if healthy else allowed).append(node)
        spare = max(0, surge - surging)
        await self._change(key, owner, [*allowed, *candidates[:spare]], gone, digest)

    async def _write_status(self, key: str, owner: Object, pods: Sequence[Object], digest: str) -> None:
        placed = by_node(pods)
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        now = self.scope.clock.now()
        counts: dict[str, int] = defaultdict(int)
        for name, node in self._nodes.store.items():
            here = sorted(placed.get(name, []), key=_age)
            if not should_run(owner, node)[0]:
                counts["misscheduled"] += bool(here)
                continue
            counts["desired"] += 1
            if not here:
                continue
            counts["current"] += 1
            counts["ready"] += podstate.is_ready(here[0])
            counts["available"] += podstate.is_available(here[0], min_ready_s, now)
            counts["updated"] += labels_of(here[0]).get(HASH_LABEL) == digest
        status = _status(owner, counts)
        self._set_refusal(owner, pods, status)
        if status != (owner.get("status") or {}):
            await self.client.update(DAEMON_SETS, {**owner, "status": status}, "status")
        if min_ready_s and counts["ready"] != counts["available"]:
            self.queue.add_after(key, min_ready_s)

    def _set_refusal(self, owner: Object, pods: Iterable[Object], status: Object) -> None:
        """Say in a condition that nodes refuse the pods, and which sysctl it is."""
        before = (owner.get("status") or {}).get("conditions")
        if before:
            status["conditions"] = list(before)
        refused = [pod for pod in pods if rejections.is_rejected(pod)]
        if not refused:
            conditions.drop(status, "ReplicaFailure")
            return
        message = podstate.status_of(refused[-1]).get("message") or rejections.REASON
        nodes = len({_node_of(pod) for pod in refused})
        text = f"{nodes} {'node refuses' if nodes == 1 else 'nodes refuse'} the pod. {message}"
        made = conditions.make("ReplicaFailure", "True", rejections.REASON, text, self.scope.now())
        conditions.put(status, made)


def _status(owner: Object, counts: Mapping[str, int]) -> Object:
    desired, available = counts.get("desired", 0), counts.get("available", 0)
    status: Object = {
        "currentNumberScheduled": counts.get("current", 0),
        "numberMisscheduled": counts.get("misscheduled", 0),
        "desiredNumberScheduled": desired,
        "numberReady": counts.get("ready", 0),
        "observedGeneration": owner["metadata"].get("generation", 0),
        "updatedNumberScheduled": counts.get("updated", 0),
        "numberAvailable": available,
        "numberUnavailable": desired - available,
    }
    for name in ("updatedNumberScheduled", "numberAvailable", "numberUnavailable", "observedGeneration"):
        if not status[name]:
            del status[name]
    collisions = (owner.get("status") or {}).get("collisionCount")
    if collisions is not None:
        status["collisionCount"] = collisions
    return status


def by_node(pods: Iterable[Object]) -> dict[str, list[Object]]:
    """Pods by the node they are on or meant for."""
    out: dict[str, list[Object]] = defaultdict(list)
    for pod in pods:
        out[_node_of(pod)].append(pod)
    return out


def _node_of(pod: Object) -> str:
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    named = node_affinity.named_nodes(spec)
    return next(iter(named)) if named and len(named) == 1 else ""


def _age(pod: Object) -> tuple[bool, str, str]:
    """Bound pods before others, then the oldest."""
    metadata = pod["metadata"]
    return not pod["spec"].get("nodeName"), metadata.get("creationTimestamp", ""), metadata["name"]


def _surge(owner: Object, otherwise: int) -> int:
    """How many pods more than one a node may have for a moment."""
    rolling = (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return otherwise if rolling.get("maxSurge") not in (None, 0, "0%") else 0


def should_run(owner: Object, node: Object) -> tuple[bool, bool]:
    """Whether a node is to have a pod, and whether one that it has may stay."""
    spec = owner["spec"]["template"].get("spec") or {}
    name = node["metadata"]["name"]
    if spec.get("nodeName") and spec["nodeName"] != name:
        return False, False
    if not node_affinity.required_match(spec, name, labels_of(node)):
        return False, False
    tolerations = daemon_tolerations(spec)
    listed = (node.get("spec") or {}).get("taints")
    if taints.first_untolerated(listed, tolerations, _HARD) is None:
        return True, True
    return False, taints.first_untolerated(listed, tolerations, (taints.NO_EXECUTE,)) is None


def daemon_tolerations(spec: Object) -> list[Object]:
    """A template's tolerations and those every daemon pod has."""
    wanted = list(_TOLERATED)
    if spec.get("hostNetwork"):
        wanted.append((taints.PRESSURES["NetworkUnavailable"], taints.NO_SCHEDULE))
    out = list(spec.get("tolerations") or ())
    for key, effect in wanted:
        added = {"key": key, "operator": "Exists", "effect": effect}
        if added not in out:
            out.append(added)
    return out


def daemon_template(template: Object, digest: str) -> Object:
    """The template of pods of one revision."""
    made: Object = tree.clone(template)
    metadata = made.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), HASH_LABEL: digest}
    made["spec"]["tolerations"] = daemon_tolerations(made["spec"])
    return made


def node_bound(affinity: Object | None, node: str) -> Object:
    """An affinity that requires one node and keeps everything else."""
    made: Object = tree.clone(affinity or {})
    required = made.setdefault("nodeAffinity", {}).setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    required["nodeSelectorTerms"] = [{"matchFields": [field]}]
    return made
