"""Gives a new namespace its user ids, groups and SELinux level at once, so that its first pod need not wait.

On OpenShift a controller does it a moment later; ours (`controllers/scc_namespaces.py`) still serves namespaces that
were there before, and real clusters. A block that was given to a request is not given again while that request may
still be stored.
"""

from __future__ import annotations

import weakref

from podsysctl.apiserver.admission.request import CREATE, AdmissionRequest
from podsysctl.apiserver.store import Store
from podsysctl.base import limits
from podsysctl.policy.scc import namespace_range
from podsysctl.policy.scc.constraint import UID_RANGE


class NamespaceRanges:
    """Writes the three annotations when the client wrote none of its own."""

    name = "podsysctl.dev/NamespaceRanges"

    def __init__(self) -> None:
        self._given: weakref.WeakKeyDictionary[Store, dict[str, float]] = weakref.WeakKeyDictionary()

    async def mutate(self, request: AdmissionRequest) -> None:
        """Allocate the lowest free block."""
        if request.operation != CREATE or not request.is_for("", "namespaces") or request.object is None:
            return
        if not request.server.config.platform.has_constraints:
            return
        metadata = request.object["metadata"]
        annotations = metadata.get("annotations") or {}
        if UID_RANGE in annotations:
            return
        now_s = request.server.clock.monotonic_s()
        given = self._given.setdefault(request.server.store, {})
        for text in [text for text, since_s in given.items() if now_s - since_s > limits.REQUEST_TIMEOUT_S]:
            del given[text]
        taken = [
            ((other.get("metadata") or {}).get("annotations") or {}).get(UID_RANGE, "")
            for other in request.list("", "namespaces")
        ]
        block = namespace_range.allocate_block([*taken, *given])
        if block is None:
            return  # a hundred thousand namespaces: pods of this one are refused with the annotation's name
        if not request.dry_run:
            given[str(block)] = now_s
        metadata["annotations"] = {**annotations, **namespace_range.namespace_annotations(block)}

    async def validate(self, request: AdmissionRequest) -> None:
        """Nothing: an administrator may choose ranges freely."""
