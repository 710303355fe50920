"""What a controller wrote and has not seen in its informer yet, so that it does not write it again.

Source of the idea: Kubernetes 1.36 `pkg/controller/controller_utils.go` (UIDTrackingControllerExpectations).
Here created objects are tracked by uid as well, since the answer to a create names it.
"""

from __future__ import annotations

from collections import deque

from podsysctl.base.clock import Clock
from podsysctl.client.informer import Informer
from podsysctl.controllers.scope import Object, is_deleting, key_of

REMEMBERED = 1000
TIMEOUT_S = 300.0
"""An expectation older than this no longer holds anything up: its event was missed."""


class Expectations:
    """Creations and deletions on their way, by the key of their owner."""

    def __init__(self, informer: Informer, clock: Clock) -> None:
        self._informer = informer
        self._clock = clock
        self._created: dict[str, dict[str, float]] = {}
        self._deleted: dict[str, dict[str, float]] = {}
        self._ended: deque[str] = deque(maxlen=REMEMBERED)
        """Uids that went lately: one may be gone before the answer to its creation is read."""
        informer.add_handler(on_add=self._seen, on_update=self._changed, on_delete=self._gone)

    def created(self, key: str, obj: Object) -> None:
        """An object was created for an owner."""
        known = self._informer.store.get(key_of(obj))
        uid = obj["metadata"]["uid"]
        if uid not in self._ended and (known is None or known["metadata"]["uid"] != uid):
            self._created.setdefault(key, {})[uid] = self._clock.monotonic_s()

    def deleting(self, key: str, obj: Object) -> None:
        """An object of an owner is being deleted."""
        self._deleted.setdefault(key, {})[obj["metadata"]["uid"]] = self._clock.monotonic_s()

    def not_deleting(self, key: str, obj: Object) -> None:
        """The deletion failed."""
        self._deleted.get(key, {}).pop(obj["metadata"]["uid"], None)

    def satisfied(self, key: str) -> bool:
        """Whether everything written for an owner has been seen."""
        now_s = self._clock.monotonic_s()
        for table in (self._created, self._deleted):
            pending = table.get(key)
            if pending is None:
                continue
            for uid in [uid for uid, since_s in pending.items() if now_s - since_s > TIMEOUT_S]:
                del pending[uid]
            if pending:
                return False
            del table[key]
        return True

    def forget(self, key: str) -> None:
        """The owner is gone."""
        self._created.pop(key, None)
        self._deleted.pop(key, None)

    def _seen(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        for pending in self._created.values():
            pending.pop(uid, None)
        if is_deleting(obj):
            self._forget_deletion(uid)

    def _changed(self, _old: Object, new: Object) -> None:
        if is_deleting(new):
            self._forget_deletion(new["metadata"]["uid"])

    def _gone(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        self._ended.append(uid)
        for pending in self._created.values():
            pending.pop(uid, None)
        self._forget_deletion(uid)

    def _forget_deletion(self, uid: str) -> None:
        for pending in self._deleted.values():
            pending.pop(uid, None)
