"""What the Profiles of simulated nodes say: nothing is applied, since no kernel stands behind such a node."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from podsysctl.base.clock import Clock, format_time
from podsysctl.base.errors import StatusError
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import RetryPolicy, WorkQueue
from podsysctl.objects import tuning

Object = dict[str, Any]

REASON = "Simulated"
MESSAGE = "The node is simulated and has no kernel of its own: nothing is applied."
LONGEST_RETRY_S = 30.0


def conditions(now: str) -> list[Object]:
    """Not applied, and nothing wrong with that."""
    return [
        {"type": kind, "status": "False", "reason": REASON, "message": MESSAGE, "lastTransitionTime": now}
        for kind in (tuning.APPLIED, tuning.DEGRADED)
    ]


class SimulatedProfiles:
    """Writes the status of each Profile of these nodes once; it is the same for every profile."""

    def __init__(self, client: Client, names: Collection[str], clock: Clock) -> None:
        self._client = client
        self._names = names
        self._clock = clock
        self._queue: WorkQueue[str] = WorkQueue(name="simulated-profiles", max_s=LONGEST_RETRY_S, time=clock)
        self._informer = Informer(client, tuning.PROFILE, tuning.NAMESPACE, transform=_shrink)
        self._informer.add_handler(self._seen, lambda _, new: self._seen(new))

    async def run(self, retry: RetryPolicy) -> None:
        """Follow the Profiles until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informer.run())
            group.create_task(self._queue.run(self._tell, workers=1, retry=retry))

    def _seen(self, profile: Object) -> None:
        if profile["metadata"]["name"] in self._names and not profile["told"]:
            self._queue.add(profile["metadata"]["name"])

    async def _tell(self, name: str) -> None:
        """Say it in one Profile. Raises StatusError."""
        status = {"tunedProfile": "", "conditions": conditions(format_time(self._clock.now()))}
        try:
            await self._client.patch(
                tuning.PROFILE, name, {"status": status}, namespace=tuning.NAMESPACE, subresource="status"
            )
        except StatusError as error:
            if error.code != 404:
                raise


def _shrink(profile: Object) -> Object:
    """The name, and whether the status has been written: a thousand Profiles hold all profiles each."""
    said = {item.get("reason") for item in (profile.get("status") or {}).get("conditions") or ()}
    metadata = profile["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {"metadata": kept, "told": said == {REASON}}
