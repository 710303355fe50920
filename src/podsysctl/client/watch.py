"""Reading a watch stream: one JSON event per line, until the server or the time limit ends it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from podsysctl.base import limits
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.client.transport import Transport

WATCH_TIMEOUT_S = (300, 600)
"""Range of the random life asked for when the caller names none, the reflector's (client-go, v1.36)."""

GRACE_S = 30
"""How much longer than the life it asked for a client waits before it calls the server dead."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, with the object."""

    type: str
    object: dict[str, Any]


async def stream(
    transport: Transport,
    path: str,
    params: Mapping[str, str],
    timeout_s: int = 0,
    *,
    accept: str = "application/json",
    endless: bool = False,
) -> AsyncGenerator[WatchEvent, None]:
    """Events of one watch. Ends when the server closes it; `endless` lets the server alone decide when.

    Raises StatusError for an ERROR event or a refused watch, ConnectionFailedError when the line breaks.
    """
    life_s = timeout_s or random.randint(*WATCH_TIMEOUT_S)
    query = {**params, "watch": "true"}
    if not endless:
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(life_s)}
    limit_s = None if endless else life_s + GRACE_S
    async with transport.open("GET", path, params=query, accept=accept, timeout_s=limit_s) as response:
        rest = b""
        async for chunk in response.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > limits.WATCH_EVENT_BYTES:
                raise ConnectionFailedError(f"an event of GET {path} is longer than {limits.WATCH_EVENT_BYTES} bytes")
            for line in lines:
                if line:
                    yield _parse(line, path)


def _parse(line: bytes, path: str) -> WatchEvent:
    try:
        event = orjson.loads(line)
        kind, obj = event["type"], event["object"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ConnectionFailedError(f"GET {path} sent something that is no watch event: {error}") from error
    if kind == "ERROR":
        raise StatusError.from_dict(int(obj.get("code") or 500), obj)
    return WatchEvent(kind, obj)
