"""What a controller wrote and has not seen in its informer yet, so that it does not write it again.

Source of the idea: Kubernetes 1.36 `pkg/controller/controller_utils.go` (UIDTrackingControllerExpectations).
Here created objects are tracked by uid as well, since the answer to a create names it.
"""

from __future__ import annotations

from collections import OrderedDict

from podsysctl.base.clock import Clock
from podsysctl.client.informer import Informer
from podsysctl.controllers.scope import Object, is_deleting, key_of

REMEMBERED = 1000
TIMEOUT_S = 300.0
"""An expectation older than this no longer holds anything up: its event was missed."""


class _Pending:
    """Uids on their way, by the key of their owner; each uid has one owner."""

    def __init__(self) -> None:
        self._since_s: dict[str, dict[str, float]] = {}
        self._keys: dict[str, str] = {}

    def add(self, key: str, uid: str, now_s: float) -> None:
        self.discard(uid)
        self._since_s.setdefault(key, {})[uid] = now_s
        self._keys[uid] = key

    def discard(self, uid: str) -> None:
        key = self._keys.pop(uid, None)
        if key is not None:
            uids = self._since_s[key]
            del uids[uid]
            if not uids:
                del self._since_s[key]

    def forget(self, key: str) -> None:
        for uid in self._since_s.pop(key, ()):
            del self._keys[uid]

    def any(self, key: str, now_s: float) -> bool:
        """Whether a key has uids that were added lately; older ones are forgotten."""
        uids = self._since_s.get(key, {})
        for uid in [uid for uid, since_s in uids.items() if now_s - since_s > TIMEOUT_S]:
            self.discard(uid)
        return bool(uids)


class Expectations:
    """Creations and deletions on their way, by the key of their owner."""

    def __init__(self, informer: Informer, clock: Clock) -> None:
        self._informer = informer
        self._clock = clock
        self._created = _Pending()
        self._deleted = _Pending()
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Uids that went lately, in order: one may be gone before the answer to its creation is read."""
        informer.add_handler(on_add=self._seen, on_update=self._changed, on_delete=self._gone)

    def created(self, key: str, obj: Object) -> None:
        """An object was created for an owner."""
        known = self._informer.store.get(key_of(obj))
        uid = obj["metadata"]["uid"]
        if uid not in self._ended and (known is None or known["metadata"]["uid"] != uid):
            self._created.add(key, uid, self._clock.monotonic_s())

    def deleting(self, key: str, obj: Object) -> None:
        """An object of an owner is being deleted."""
        self._deleted.add(key, obj["metadata"]["uid"], self._clock.monotonic_s())

    def not_deleting(self, obj: Object) -> None:
        """The deletion failed."""
        self._deleted.discard(obj["metadata"]["uid"])

    def satisfied(self, key: str) -> bool:
        """Whether everything written for an owner has been seen."""
        now_s = self._clock.monotonic_s()
        return not self._created.any(key, now_s) and not self._deleted.any(key, now_s)

    def forget(self, key: str) -> None:
        """The owner is gone."""
        self._created.forget(key)
        self._deleted.forget(key)

    def _seen(self, obj: Object) -> None:
        self._created.discard(obj["metadata"]["uid"])
        self._changed(obj, obj)

    def _changed(self, _old: Object, new: Object) -> None:
        if is_deleting(new):
            self._deleted.discard(new["metadata"]["uid"])

    def _gone(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        self._ended[uid] = None
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        self._created.discard(uid)
        self._deleted.discard(uid)
