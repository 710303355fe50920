"""Sends pod statuses to the API: at most one request per pod at a time, and always the newest status next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client.rest import Client
from podsysctl.node import pod as pods
from podsysctl.node import status_patch
from podsysctl.node.tasks import Tasks
from podsysctl.objects.kinds import builtin_by_resource

log = logging.getLogger(__name__)

PODS = builtin_by_resource("", "v1", "pods")
RETRY_S = 1.0
LONGEST_RETRY_S = 10.0


@dataclass(slots=True)
class _Entry:
    pod: pods.Pod
    wanted: dict[str, Any] | None = None
    known: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    busy: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class StatusWriter:
    """Pod statuses on their way; `gone` is called with the uid of a pod that the API no longer has."""

    def __init__(self, client: Client, tasks: Tasks, gone: Callable[[str], None]) -> None:
        self._client = client
        self._tasks = tasks
        self._gone = gone
        self._entries: dict[str, _Entry] = {}

    def seen(self, pod: pods.Pod) -> None:
        """Take note of the pod as the API has it now."""
        entry = self._entries.setdefault(pods.uid(pod), _Entry(pod))
        entry.pod = pod
        if not entry.busy and _is_newer(pod, entry.version):
            entry.known = pods.status(pod)
            entry.version = _version(pod)

    def publish(self, pod: pods.Pod, status: dict[str, Any]) -> None:
        """Have this status written; returns at once."""
        entry = self._entries.setdefault(pods.uid(pod), _Entry(pod, known=pods.status(pod)))
        entry.pod = pod
        entry.wanted = status
        if entry.busy or status == entry.known:
            return
        entry.busy = True
        entry.idle.clear()
        self._tasks.spawn(f"status of {pods.full_name(pod)}", self._write(entry))

    async def flush(self, uid: str) -> None:
        """Wait until the newest status of a pod is written or the pod is gone."""
        entry = self._entries.get(uid)
        if entry is not None and entry.busy:
            await entry.idle.wait()

    def forget(self, uid: str) -> None:
        """Drop a pod."""
        self._entries.pop(uid, None)

    async def _write(self, entry: _Entry) -> None:
        delay_s = RETRY_S
        try:
            while entry.wanted is not None:
                wanted, entry.wanted = entry.wanted, None
                try:
                    await self._patch(entry, wanted)
                    delay_s = RETRY_S
                except StatusError as error:
                    if error.code == 404 or (error.code == 409 and await self._is_replaced(entry.pod)):
                        self._gone(pods.uid(entry.pod))
                        return
                    if error.code == 409:
                        delay_s = await self._later(entry, wanted, delay_s)
                        continue
                    log.warning("status of %s not written: %s", pods.full_name(entry.pod), error.message)
                    if error.code < 500 and error.code != 429:
                        continue  # it is given up, and not what was published since
                    delay_s = await self._later(entry, wanted, delay_s)
                except ConnectionFailedError as error:
                    log.info("status of %s not written: %s", pods.full_name(entry.pod), error.message)
                    delay_s = await self._later(entry, wanted, delay_s)
        finally:
            entry.busy = False
            entry.idle.set()

    async def _is_replaced(self, pod: pods.Pod) -> bool:
        """Whether the API has another pod of that name, or none: a conflict alone does not say so."""
        try:
            found = await self._client.get(PODS, pods.name(pod), pods.namespace(pod))
        except StatusError as error:
            return error.code == 404
        except ConnectionFailedError:
            return False
        return pods.uid(found) != pods.uid(pod)

    async def _patch(self, entry: _Entry, wanted: dict[str, Any]) -> None:
        patch = status_patch.build(pods.uid(entry.pod), entry.known, wanted)
        if patch is None:
            return
        answer = await self._client.patch(
            PODS,
            pods.name(entry.pod),
            patch,
            namespace=pods.namespace(entry.pod),
            patch_type="strategic",
            subresource="status",
        )
        entry.known = answer.get("status") or {}
        entry.version = _version(answer)

    async def _later(self, entry: _Entry, wanted: dict[str, Any], delay_s: float) -> float:
        """Keep the status for another try unless a newer one came, and wait."""
        if entry.wanted is None:
            entry.wanted = wanted
        await asyncio.sleep(delay_s)
        return min(delay_s * 2, LONGEST_RETRY_S)


def _version(pod: pods.Pod) -> str:
    return str(pod["metadata"].get("resourceVersion") or "")


def _is_newer(pod: pods.Pod, than: str) -> bool:
    """Whether the pod was stored after that version; what cannot be compared counts as newer."""
    version = _version(pod)
    return not (version.isdigit() and than.isdigit()) or int(version) > int(than)
