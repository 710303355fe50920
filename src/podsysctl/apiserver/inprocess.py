"""How components of the server's own process reach it: writes as calls, all else over connections in memory.

A request keeps its meaning and its way through authorization, admission, audit and metrics. What falls away for a
write, which has one body each way, is writing it as HTTP and reading it again. Reads may stream, so they speak HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDict

from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.base import pipe
from podsysctl.client import http1
from podsysctl.client.transport import Asked, Response, target

ORIGIN = "in-process"
"""Where such requests come from, as the audit log tells it."""

Handler = Callable[[web.Request], Any]


class InProcess:
    """One user's way to a server: `handle` answers a request, `protocol` makes the server's end of a connection.

    Both give None while the server is not running.
    """

    def __init__(
        self, user: UserInfo, handle: Callable[[], Handler | None], protocol: Callable[[], Callable[[], Any] | None]
    ) -> None:
        self._user = user
        self._handle = handle
        self._protocol = protocol

    async def connect(self, buffer_bytes: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which the server knows the user. Raises ConnectionRefusedError."""
        protocol = self._protocol()
        if protocol is None:
            raise _not_running()
        return pipe.open_streams(protocol, {"user": self._user, "peername": (ORIGIN, 0)}, buffer_bytes)

    async def answer(self, asked: Asked) -> Response:
        """The answer to a write, whatever its status. Raises ConnectionRefusedError."""
        handle = self._handle()
        if handle is None:
            raise _not_running()
        response = await handle(cast(web.Request, _Write(asked, self._user)))
        assert isinstance(response, web.Response), "writes are answered whole"
        assert isinstance(response.body, bytes), "no handler leaves the encoding to aiohttp"
        headers = [(name.lower(), value) for name, value in response.headers.items()]
        return Response(response.status, http1.Headers(headers), response.body)


def _not_running() -> ConnectionRefusedError:
    return ConnectionRefusedError("the API server is not running")


class _Write:
    """Stands in for aiohttp's request: has the members of it that handlers of writes use."""

    def __init__(self, asked: Asked, user: UserInfo) -> None:
        self.method = asked.method
        self.path = unquote(asked.path)
        self.query = dict(asked.params or ())
        self.path_qs = target(asked.path, asked.params)
        self.headers = CIMultiDict(asked.headers)
        self.content_length = len(asked.body or b"")
        self.remote = ORIGIN
        self.transport = None
        self._body = asked.body or b""
        self._user = user

    @property
    def content(self) -> _Write:
        """The body, to be read with `iter_chunked`."""
        return self

    @property
    def writer(self) -> _Write:
        """Nothing is sent before the handler returns."""
        return self

    output_size = 0

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        """The body in one piece."""
        yield self._body

    def get_extra_info(self, name: str) -> Any:
        """The user is known without a certificate."""
        return self._user if name == "user" else None
