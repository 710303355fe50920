"""What the server does on its own while it runs: compaction, old events, namespaces, definitions on their way out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from podsysctl.apiserver import delete
from podsysctl.apiserver.auth.user import SERVER
from podsysctl.apiserver.bootstrap import namespacecontent
from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.definitions import cleanup
from podsysctl.apiserver.definitions.serving import BUCKET
from podsysctl.apiserver.write import Write
from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError

_log = logging.getLogger("podsysctl.apiserver")
_TICK_S = 30


async def run(server: ServerContext) -> None:
    """Until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_periodic(server))
        group.create_task(_definitions(server))


async def _periodic(server: ServerContext) -> None:
    while True:
        with _going_on("upkeep"):
            await server.store.compact_before(server.clock.now().timestamp() - limits.STORE_HISTORY_S)
            await expire_events(server)
            await fill_namespaces(server)
        await asyncio.sleep(_TICK_S)


@contextmanager
def _going_on(work: str) -> Iterator[None]:
    """Log what fails in the block, a fault of ours as well: without upkeep the store grows until the disk is full."""
    try:
        yield
    except PodsysctlError as error:
        _log.error("%s: %s", work, error.message)
    except Exception as error:  # noqa: BLE001 - the next round may well succeed
        _log.error("%s failed", work, exc_info=error)


async def expire_events(server: ServerContext) -> int:
    """Remove events that nobody has touched for their time to live; returns how many."""
    resource = server.registry.get("", "events")
    limit_s = server.clock.now().timestamp() - limits.EVENT_TTL_S
    gone = 0
    for item in server.store.range(resource.bucket):
        if item.written_at >= limit_s:
            continue
        namespace, _, name = item.key.rpartition("/")
        task = Write(server=server, resource=resource, user=SERVER, namespace=namespace, name=name)
        try:
            # Not a version that was written while others were being removed: that event has happened again.
            await delete.delete_object(task, delete.DeleteOptions(resource_version=str(item.rev)))
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        else:
            gone += 1
    return gone


async def fill_namespaces(server: ServerContext) -> None:
    """Add to namespaces what they lack: somebody removed it, or whoever made the namespace left before it was there."""
    for item in server.store.range(server.registry.get("", "namespaces").bucket):
        await namespacecontent.fill(server, item.key)


async def _definitions(server: ServerContext) -> None:
    """Whenever a definition or one of its instances goes."""
    queue = server.store.subscribe(BUCKET)
    while not queue.closed or queue.overrun:
        if queue.overrun:  # more definitions changed during one round than wait in a queue
            queue = server.store.subscribe(BUCKET)
        with _going_on("definitions"):
            await cleanup.finish_all(server)
            await cleanup.settle_all(server)
        waiting = any(d["metadata"].get("deletionTimestamp") for d in server.definitions.all())
        await queue.take(1 if waiting else 3600)
