"""Waiting for one object until it is as wanted: look, then watch from there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, StatusError
from podsysctl.client.discovery import Found
from podsysctl.client.rest import Client, Object

RETRY_S = 0.5


class WaitTimeoutError(PodsysctlError):
    """What was waited for did not come."""

    reason = "WaitTimeout"


@dataclass(frozen=True, slots=True)
class Gone:
    """An object whose end is waited for; another uid under its name counts as gone."""

    kind: Found
    name: str
    namespace: str | None
    uid: str = ""

    @property
    def title(self) -> str:
        """`pods/web`, as kubectl names it in timeouts."""
        return f"{self.kind.qualified}/{self.name}"


async def until(
    client: Client,
    kind: Found,
    name: str,
    namespace: str | None,
    wanted: Callable[[Object | None], bool],
    timeout_s: float,
    *,
    title: str = "",
) -> Object | None:
    """Wait until `wanted` holds of the object (None while it is absent); the object then.

    Raises WaitTimeoutError, and what `wanted` raises.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _until(client, kind, name, namespace, wanted)
    except TimeoutError as error:
        what = title or f"{kind.qualified}/{name}"
        raise WaitTimeoutError(f"timed out waiting for the condition on {what}") from error


async def _until(
    client: Client, kind: Found, name: str, namespace: str | None, wanted: Callable[[Object | None], bool]
) -> Object | None:
    while True:
        found = await client.list(kind, namespace, field_selector=f"metadata.name={name}")
        current = found.items[0] if found.items else None
        if wanted(current):
            return current
        events = client.watch(
            kind, namespace, resource_version=found.resource_version, field_selector=f"metadata.name={name}"
        )
        try:
            async with aclosing(events) as stream:
                async for event in stream:
                    if event.type == "BOOKMARK":
                        continue
                    current = None if event.type == "DELETED" else event.object
                    if wanted(current):
                        return current
        except StatusError as error:
            if error.code != 410:
                raise
        except ConnectionFailedError:
            await asyncio.sleep(RETRY_S)


async def until_gone(client: Client, objects: Sequence[Gone], timeout_s: float) -> None:
    """Wait until none of the objects exists. Being forbidden to look ends the wait. Raises WaitTimeoutError."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    for gone in objects:
        left_s = max(0.01, deadline - loop.time())
        try:
            try:
                now = await client.get(gone.kind, gone.name, gone.namespace)
            except StatusError as error:
                if error.code == 404:
                    continue
                raise
            if _is_gone(now, gone):
                continue
            await until(
                client,
                gone.kind,
                gone.name,
                gone.namespace,
                lambda obj, gone=gone: _is_gone(obj, gone),  # type: ignore[misc]
                left_s,
                title=gone.title,
            )
        except StatusError as error:
            if error.code not in (403, 405):
                raise


def _is_gone(obj: Object | None, gone: Gone) -> bool:
    return obj is None or bool(gone.uid and obj["metadata"].get("uid") != gone.uid)
