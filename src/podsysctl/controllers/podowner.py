"""What all controllers whose objects own pods have in common: hearing of pods, claiming, making, deleting.

Source: Kubernetes 1.36 `pkg/controller/controller_utils.go`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.controllers import ownership
from podsysctl.controllers.expectations import Expectations
from podsysctl.controllers.podcontrol import PodControl, is_namespace_terminating
from podsysctl.controllers.scope import PODS, Object, Reconciler, Scope, is_deleting, key_of, labels_of
from podsysctl.objects import selectors
from podsysctl.objects.kinds import Kind

SMALL = 50
"""Owners of fewer pods than this are looked at on every event."""
PER_SECOND = 1000
LONGEST_GATHER_S = 1.0
"""Events of the pods of a large owner are taken together: for a second per thousand pods, at most this long."""

T = TypeVar("T")


class PodOwner(Reconciler):
    """A controller of objects of one kind that own pods; keys are those of the owners."""

    kind: ClassVar[Kind]

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._recorder = scope.recorder(self.name)
        self._pod_control = PodControl(scope.client, self._recorder)
        self._owners = self.need(self.kind)
        self._pods = self.need(PODS)
        self._pods.add_index("controller", ownership.controller_index)
        self._expectations = Expectations(self._pods, scope.clock)
        self._owners.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)), on_update=self._owner_updated, on_delete=self.owner_gone
        )
        self._pods.add_handler(on_add=self.pod_changed, on_update=self._pod_updated, on_delete=self.pod_changed)

    def owner_gone(self, owner: Object) -> None:
        """An owner was deleted."""
        self._expectations.forget(key_of(owner))
        self.queue.add(key_of(owner))

    def pod_changed(self, pod: Object) -> None:
        """A pod came, changed or went: look at its owner, or at those that may adopt it."""
        reference = ownership.controller_reference(pod)
        namespace = pod["metadata"]["namespace"]
        if reference is not None:
            if reference.get("kind") == self.kind.kind:
                self.soon(f"{namespace}/{reference['name']}", self.size(str(reference.get("uid"))))
            return
        for owner in self._owners.store.values():
            if owner["metadata"]["namespace"] == namespace and selector_of(owner).matches(labels_of(pod)):
                self.queue.add(key_of(owner))

    def size(self, uid: str) -> int:
        """How many objects a look at an owner goes through."""
        return self._pods.index_size("controller", uid)

    def soon(self, key: str, objects: int) -> None:
        """Look at a key; at a large one not for every single event."""
        self.queue.add_after(key, 0 if objects < SMALL else min(objects / PER_SECOND, LONGEST_GATHER_S))

    def _owner_updated(self, old: Object, new: Object) -> None:
        asked = [(o["metadata"].get("generation"), is_deleting(o)) for o in (old, new)]
        if asked[0] == asked[1]:
            self.soon(key_of(new), self.size(new["metadata"]["uid"]))
        else:
            self.queue.add(key_of(new))

    def _pod_updated(self, old: Object, new: Object) -> None:
        if ownership.controller_reference(old) != ownership.controller_reference(new):
            self.pod_changed(old)
        self.pod_changed(new)

    async def claimed(self, owner: Object, wanted: Callable[[Object], bool] = lambda _: True) -> list[Object]:
        """The pods of an owner, after adopting and releasing; `wanted` says which are looked at."""
        claims = ownership.Claims(self.client, self.kind, owner, PODS, selector_of(owner))
        mine = self._pods.by_index("controller", owner["metadata"]["uid"])
        orphans = self._pods.by_index("controller", f"orphan/{owner['metadata']['namespace']}")
        return await claims.claim([pod for pod in (*mine, *orphans) if wanted(pod)])

    async def create_pod(self, key: str, owner: Object, pod: Object) -> None:
        """Create a pod, unless the namespace is going away. Raises StatusError after an event."""
        try:
            created = await self._pod_control.create(pod, owner)
        except StatusError as error:
            if is_namespace_terminating(error):
                return
            raise
        self._expectations.created(key, created)

    async def delete_pod(self, key: str, owner: Object, pod: Object) -> None:
        """Delete a pod. Raises StatusError after an event."""
        self._expectations.deleting(key, pod)
        try:
            if not await self._pod_control.delete(pod, owner):
                self._expectations.not_deleting(pod)
        except PodsysctlError:
            self._expectations.not_deleting(pod)
            raise


def selector_of(owner: Object) -> selectors.LabelSelector:
    """The selector of an owner."""
    return selectors.from_object(owner["spec"].get("selector"))


async def all_done(jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run jobs at once; the first failure is raised when all have ended."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def in_batches(items: Sequence[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Work on 1, 2, 4, ... items at once, so that what fails for all is not tried for all."""
    done, batch = 0, 1
    while done < len(items):
        part = items[done : done + batch]
        await all_done(_run(work, item) for item in part)
        done += len(part)
        batch *= 2


async def _run(work: Callable[[T], Awaitable[None]], item: T) -> None:
    await work(item)
