"""Streams whose bytes we pass on as they are: SPDY of older clients, old WebSocket protocols, and port-forward.

A client's SPDY or WebSocket upgrade goes to the node as it is. kubectl's port-forward is SPDY inside WebSocket
messages (subprotocol `SPDY/3.1+portforward.k8s.io`): what is inside goes to the node as a SPDY upgrade of ours
(apiserver/pkg/util/proxy/streamtunnel.go, 1.36).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web
from multidict import MultiMapping

from podsysctl.apiserver.streaming import last_words
from podsysctl.apiserver.streaming.node_endpoint import NodeEndpoint
from podsysctl.base import limits, rawhttp
from podsysctl.base.errors import ConnectionFailedError
from podsysctl.objects import status

TUNNEL_PREFIX = "SPDY/3.1+"
KUBERNETES_SUFFIX = ".k8s.io"


async def carry(request: web.Request, endpoint: NodeEndpoint, path: str, query: str) -> web.StreamResponse:
    """Pass an upgrade on to the node, and then bytes both ways. Raises StatusError when the node is not reached."""
    answer = await _dial(endpoint.url(path, query), request.method, _chosen(request.headers), endpoint)
    if answer.connection is None:
        return refusal(answer)
    node: rawhttp.Connection = answer.connection
    if answer.headers.get("X-Stream-Protocol-Version", "").strip() in last_words.PROTOCOLS:
        node = last_words.WithLastWords(node)
    async with _closed_on_failure(node):
        client = await rawhttp.accept_upgrade(request, _chosen(answer.headers))
    await rawhttp.relay(client, node)
    return client.response


async def carry_inside_websocket(
    request: web.Request, endpoint: NodeEndpoint, path: str, query: str
) -> web.StreamResponse:
    """Unpack SPDY from WebSocket messages towards the node. Raises StatusError when the node is not reached."""
    offered = tunnelled_protocols(request)
    headers = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")]
    headers += [("X-Stream-Protocol-Version", protocol) for protocol in offered]
    answer = await _dial(endpoint.url(path, query), "POST", headers, endpoint)
    if answer.connection is None:
        return refusal(answer)
    chosen = answer.headers.get("X-Stream-Protocol-Version", "").strip()
    protocols = (TUNNEL_PREFIX + chosen,) if chosen else ()
    socket = web.WebSocketResponse(protocols=protocols, compress=False, max_msg_size=limits.STREAM_MESSAGE_BYTES)
    async with _closed_on_failure(answer.connection):
        await socket.prepare(request)
    await rawhttp.relay(_Messages(socket), answer.connection)
    return socket


@asynccontextmanager
async def _closed_on_failure(connection: rawhttp.Connection) -> AsyncIterator[None]:
    """A client that leaves before its own upgrade leaves no session at the node."""
    try:
        yield
    except BaseException:
        await connection.close()
        raise


def tunnelled_protocols(request: web.Request) -> list[str]:
    """Protocols that the client offers to speak inside WebSocket messages."""
    return [
        protocol.removeprefix(TUNNEL_PREFIX)
        for protocol in websocket_protocols(request)
        if protocol.startswith(TUNNEL_PREFIX) and protocol.endswith(KUBERNETES_SUFFIX)
    ]


def websocket_protocols(request: web.Request) -> list[str]:
    """Subprotocols that a WebSocket client offers; none for other requests."""
    if "websocket" not in request.headers.get("Upgrade", "").lower():
        return []
    lines = request.headers.getall("Sec-WebSocket-Protocol", [])
    return [name.strip() for line in lines for name in line.split(",")]


def refusal(answer: rawhttp.Answer) -> web.Response:
    """The node's answer, when it is no 101, as it came."""
    content_type = answer.headers.get("Content-Type", "text/plain; charset=utf-8")
    return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": content_type})


async def _dial(url: str, method: str, headers: list[tuple[str, str]], endpoint: NodeEndpoint) -> rawhttp.Answer:
    try:
        return await rawhttp.dial(url, method, headers, tls=endpoint.context)
    except ConnectionFailedError as error:
        raise status.internal(error.message) from error


def _chosen(headers: MultiMapping[str]) -> list[tuple[str, str]]:
    return [(name, value) for name in rawhttp.HANDSHAKE_HEADERS for value in headers.getall(name, ())]


class _Messages:
    """The content of binary WebSocket messages as one stream of bytes."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                if message.data:
                    return bytes(message.data)
            elif message.type is not WSMsgType.TEXT:  # closed, or broken
                return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        async with asyncio.timeout(limits.STREAM_CLOSE_TIMEOUT_S):
            await self._socket.close()
