"""`pods/log`: the node's text, passed on as it comes."""

from __future__ import annotations

import contextlib

import aiohttp
from aiohttp import web

from podsysctl.apiserver.streaming.node_endpoint import NodeEndpoint
from podsysctl.base import limits
from podsysctl.base.errors import StatusDetails, StatusError
from podsysctl.objects import status

_ERROR_BODY_BYTES = 50_000
_UNBOUNDED = aiohttp.ClientTimeout(total=None, sock_connect=limits.CONNECT_TIMEOUT_S)


def empty() -> web.StreamResponse:
    """The log of a pod without a node."""
    return web.Response(status=200, headers={"Content-Type": "text/plain"})


async def proxy(
    request: web.Request, endpoint: NodeEndpoint, path: str, query: str, pod_name: str
) -> web.StreamResponse:
    """Fetch a log from its node and send it on. Raises StatusError."""
    connector = aiohttp.TCPConnector(ssl=endpoint.context, limit=1)
    async with aiohttp.ClientSession(connector=connector, timeout=_UNBOUNDED, auto_decompress=False) as session:
        try:
            async with session.get(endpoint.url(path, query), allow_redirects=False) as answer:
                if answer.status != 200:
                    text = (await answer.content.read(_ERROR_BODY_BYTES)).decode(errors="replace")
                    raise _refused(answer.status, text, pod_name)
                return await _pass_on(request, answer)
        except aiohttp.ClientConnectionError as error:
            raise status.internal(f'Get "{endpoint.url(path, query)}": {error}') from error


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private"})
    await response.prepare(request)
    # A client that goes away, or a node that does: either way there is nobody to tell.
    with contextlib.suppress(ConnectionError, aiohttp.ClientPayloadError):
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
    return response


def _refused(code: int, text: str, pod_name: str) -> StatusError:
    """A node's refusal as upstream words it (registry/generic/rest/response_checker.go)."""
    if code == 500:
        return status.internal(text)
    if code == 400:
        return status.bad_request(text)
    if code == 404:
        message = "the server could not find the requested resource"
        return StatusError(
            404, "NotFound", f"{message} ( pods/log {pod_name})", StatusDetails(name=pod_name, kind="pods/log")
        )
    message = f"an error on the server ({text.strip()!r}) has prevented the request from succeeding"
    return StatusError(
        code, "InternalError", f"{message} ( pods/log {pod_name})", StatusDetails(name=pod_name, kind="pods/log")
    )
