"""Pods that nobody else removes: of nodes that are gone, never scheduled, or too many finished ones.

Source: Kubernetes 1.36 `pkg/controller/podgc`.
"""

from __future__ import annotations

import asyncio
import logging

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.controllers import conditions, podstate
from podsysctl.controllers.scope import NODES, PODS, Object, Scope, is_deleting
from podsysctl.objects import taints

log = logging.getLogger(__name__)

CHECK_S = 20.0
QUARANTINE_S = 40.0
"""How long a node must be missing before its pods are deleted."""
FINISHED = 12500
"""Finished pods that are kept (terminated-pod-gc-threshold)."""


class PodGarbageCollector:
    """Looks at all pods every CHECK_S."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._client = scope.client
        self._pods = scope.informer(PODS)
        self._nodes = scope.informer(NODES)
        self._missing: dict[str, float] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        await self._pods.wait_synced()
        await self._nodes.wait_synced()
        while True:
            try:
                await self.collect()
            except PodsysctlError as error:
                log.warning("pod garbage collection: %s", error.message)
            await asyncio.sleep(CHECK_S)

    async def collect(self) -> None:
        """One pass."""
        pods = list(self._pods.store.values())
        for pod in self._surplus(pods):
            await self._delete(pod, None)
        for pod in pods:
            if is_deleting(pod) and not pod["spec"].get("nodeName"):
                await self._delete(pod, None)
            elif is_deleting(pod) and self._is_out_of_service(pod["spec"].get("nodeName") or ""):
                await self._delete(pod, "PodGC: node is out of service")
        gone = await self._gone_nodes(pods)
        for pod in pods:
            if pod["spec"].get("nodeName") in gone:
                await self._delete(pod, "PodGC: node no longer exists")

    def _surplus(self, pods: list[Object]) -> list[Object]:
        finished = [pod for pod in pods if podstate.is_finished(pod)]
        if len(finished) <= FINISHED:
            return []
        finished.sort(key=lambda pod: pod["metadata"].get("creationTimestamp", ""))
        return finished[: len(finished) - FINISHED]

    def _is_out_of_service(self, name: str) -> bool:
        node = self._nodes.store.get(name)
        if node is None:
            return False
        listed = (node.get("spec") or {}).get("taints") or ()
        return not conditions.is_true(node.get("status") or {}, "Ready") and any(
            t.get("key") == taints.OUT_OF_SERVICE for t in listed
        )

    async def _gone_nodes(self, pods: list[Object]) -> set[str]:
        """Nodes that pods are bound to and that have been missing for long enough; the API is asked last."""
        now_s = self._scope.clock.monotonic_s()
        named = {pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName")}
        missing = {name for name in named if name not in self._nodes.store}
        self._missing = {name: self._missing.get(name, now_s) for name in missing}
        gone = set()
        for name, since_s in self._missing.items():
            if now_s - since_s < QUARANTINE_S:
                continue
            try:
                await self._client.get(NODES, name)
            except StatusError as error:
                if error.code != 404:
                    raise
                gone.add(name)
        return gone

    async def _delete(self, pod: Object, message: str | None) -> None:
        """Fail a pod that is not finished, then delete it without waiting."""
        metadata = pod["metadata"]
        status: Object = {"phase": "Failed"}
        if message is not None:
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": message,
                "lastTransitionTime": self._scope.now(),
            }
            status["conditions"] = [condition]
        try:
            if not podstate.is_finished(pod):
                await self._client.patch(
                    PODS,
                    metadata["name"],
                    {"metadata": {"uid": metadata["uid"]}, "status": status},
                    namespace=metadata["namespace"],
                    patch_type="strategic",
                    subresource="status",
                )
            await self._client.delete(
                PODS, metadata["name"], metadata["namespace"], grace_period_s=0, uid=metadata["uid"]
            )
        except StatusError as error:
            if error.code not in (404, 409):
                raise
