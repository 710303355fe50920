"""Watches of what pods refer to: one that is refused at first is begun again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

from podsysctl.base.errors import StatusError
from podsysctl.node.references import References
from podsysctl.node.tasks import Tasks
from tests.node.builders import container, pod


class _Api:
    """Refuses the first list, as an authorizer does that has not heard of the pod yet."""

    def __init__(self) -> None:
        self.lists = 0
        self.refused = asyncio.Event()

    async def list(self, *_: Any, **__: Any) -> Any:
        """One ConfigMap, from the second time on."""
        self.lists += 1
        if self.lists == 1:
            self.refused.set()
            raise StatusError(403, "Forbidden", "no relationship found between node and this object")
        found = {"metadata": {"name": "m", "namespace": "default", "resourceVersion": "1"}, "data": {}}
        return SimpleNamespace(items=[found], resource_version="1")

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        """Nothing happens."""
        await asyncio.Event().wait()
        yield


async def test_watch_that_was_refused_is_begun_again_for_its_pods() -> None:
    """Otherwise a volume would hear of changes up to a minute and a half late, for the pod's whole life."""
    body = pod(container(envFrom=[{"configMapRef": {"name": "m"}}]))
    told: list[str] = []
    api = _Api()
    async with Tasks() as tasks:
        references = References(cast(Any, api), tasks, told.append)
        references.register(body)
        await api.refused.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        references.register(body)  # the pod's next step
        for _ in range(20):
            await asyncio.sleep(0)
        assert (api.lists, told) == (2, ["uid-1"])
