"""Pods that do not tolerate a NoExecute taint of their node are deleted, at once or when their time is over.

Source: Kubernetes 1.36 `pkg/controller/tainteviction`.
"""

from __future__ import annotations

from collections.abc import Iterable

from podsysctl.base.errors import StatusError
from podsysctl.controllers import podstate
from podsysctl.controllers.scope import NODES, PODS, Object, Reconciler, Scope, is_deleting, key_of, split_key
from podsysctl.objects import taints


class TaintEvictionController(Reconciler):
    """Evicts by taint; keys are pods."""

    name = "taint-eviction-controller"
    workers = 8

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._recorder = scope.recorder(self.name)
        self._nodes = self.need(NODES)
        self._pods = self.need(PODS)
        self._pods.add_index("node", _node_index)
        self._since: dict[str, tuple[str, float]] = {}
        """When a pod's time began to run, by key, with the pod's uid."""
        self._nodes.add_handler(on_add=self._node_changed, on_update=lambda old, new: self._node_updated(old, new))
        self._pods.add_handler(
            on_add=self._pod_changed, on_update=lambda old, new: self._pod_updated(old, new), on_delete=self._pod_gone
        )

    def _node_updated(self, old: Object, new: Object) -> None:
        if _no_execute(old) != _no_execute(new):
            self._node_changed(new)

    def _node_changed(self, node: Object) -> None:
        for pod in self._pods.by_index("node", node["metadata"]["name"]):
            self.queue.add(key_of(pod))

    def _pod_updated(self, old: Object, new: Object) -> None:
        if any(old["spec"].get(name) != new["spec"].get(name) for name in ("nodeName", "tolerations")):
            self._pod_changed(new)

    def _pod_changed(self, pod: Object) -> None:
        """Look at a pod whose node has such a taint; of a node that gets one, all pods are looked at then."""
        node = self._nodes.store.get((pod.get("spec") or {}).get("nodeName") or "")
        if key_of(pod) in self._since or (node is not None and _no_execute(node)):
            self.queue.add(key_of(pod))

    def _pod_gone(self, pod: Object) -> None:
        self._since.pop(key_of(pod), None)

    async def reconcile(self, key: str) -> None:
        """Decide about one pod."""
        pod = self._pods.store.get(key)
        if pod is None or is_deleting(pod) or podstate.is_finished(pod):
            self._since.pop(key, None)
            return
        node = self._nodes.store.get(pod["spec"].get("nodeName") or "")
        active = _no_execute(node) if node is not None else []
        tolerated_s = taints.seconds_tolerated(active, pod["spec"].get("tolerations")) if active else None
        if tolerated_s is None:
            if self._since.pop(key, None) is not None:
                self._say(pod, f"Cancelling deletion of Pod {key}")
            return
        now_s = self.scope.clock.monotonic_s()
        uid = pod["metadata"]["uid"]
        known = self._since.get(key)
        if known is None or known[0] != uid:
            self._since[key] = known = (uid, now_s)
        left_s = known[1] + tolerated_s - now_s
        if left_s > 0:
            self.queue.add_after(key, left_s)
            return
        self._say(pod, f"Marking for deletion Pod {key}")
        await self._evict(pod)
        self._since.pop(key, None)  # not before: a try that fails must not give the pod its whole time again

    def _say(self, pod: Object, text: str) -> None:
        self._recorder.event(pod, "Normal", "TaintManagerEviction", text)

    async def _evict(self, pod: Object) -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": self.scope.now(),
        }
        namespace, name = split_key(key_of(pod))
        uid = pod["metadata"]["uid"]
        patch = {"metadata": {"uid": uid}, "status": {"conditions": [condition]}}
        try:
            await self.client.patch(
                PODS, name, patch, namespace=namespace, patch_type="strategic", subresource="status"
            )
            await self.client.delete(PODS, name, namespace, uid=uid)
        except StatusError as error:
            if error.code not in (404, 409):
                raise


def _no_execute(node: Object) -> list[Object]:
    listed = (node.get("spec") or {}).get("taints") or ()
    return [taint for taint in listed if taint.get("effect") == taints.NO_EXECUTE]


def _node_index(pod: Object) -> Iterable[str]:
    name = (pod.get("spec") or {}).get("nodeName")
    return (str(name),) if name else ()
