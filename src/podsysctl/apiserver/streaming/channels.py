"""exec and attach of today's clients: WebSocket `v5.channel.k8s.io`, translated to SPDY towards the node.

Every binary message begins with its channel: 0 stdin, 1 stdout, 2 stderr, 3 error (one Status at the end),
4 resize, and 255 says that the sender is done with the channel whose number follows. The node speaks
`v4.channel.k8s.io` over SPDY, with one stream per channel. Texts are upstream's (apiserver/pkg/util/proxy/
streamtranslator.go and client-go/tools/remotecommand, 1.36).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from podsysctl.apiserver.streaming.node_endpoint import NodeEndpoint
from podsysctl.apiserver.streaming.spdy import SpdyConnection, Stream
from podsysctl.base import limits, rawhttp
from podsysctl.base.errors import ConnectionFailedError, StatusError
from podsysctl.objects import status

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

_STREAM_TYPES = {STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", ERROR: "error", RESIZE: "resize"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels towards the node in the order in which their streams are opened."""
        stderr = self.stderr and not self.tty
        chosen = ((ERROR, True), (STDIN, self.stdin), (STDOUT, self.stdout), (STDERR, stderr), (RESIZE, self.tty))
        return tuple(channel for channel, asked in chosen if asked)


async def translate(
    request: web.Request, endpoint: NodeEndpoint, path: str, query: str, wanted: Wanted
) -> web.StreamResponse:
    """Serve one exec or attach to its end. What goes wrong at the node is told on the error channel."""
    socket = web.WebSocketResponse(protocols=(V5,), compress=False, max_msg_size=limits.STREAM_MESSAGE_BYTES)
    await socket.prepare(request)
    lowest = STDOUT if wanted.stdout else STDERR if wanted.stderr else ERROR
    await socket.send_bytes(bytes([lowest]))  # tells the client that it is connected
    try:
        final = await _session(socket, endpoint.url(path, query), endpoint, wanted)
    except ConnectionFailedError as error:
        final = _failure(status.internal(error.message))
    except StatusError as error:
        final = _failure(error)
    if final is not None and not socket.closed:
        await socket.send_bytes(bytes([ERROR]) + orjson.dumps(final))
    async with asyncio.timeout(limits.STREAM_CLOSE_TIMEOUT_S):
        await socket.close()
    return socket


async def _session(
    socket: web.WebSocketResponse, url: str, endpoint: NodeEndpoint, wanted: Wanted
) -> dict[str, Any] | None:
    """Run the session; the Status to end with, or None when the client left first."""
    async with _connected(url, endpoint) as node:
        streams = {channel: await node.open({"streamtype": _STREAM_TYPES[channel]}) for channel in wanted.channels}
        finished = asyncio.create_task(_outputs(socket, streams))
        left = asyncio.create_task(_inputs(socket, streams))
        try:
            await asyncio.wait({finished, left}, return_when=asyncio.FIRST_COMPLETED)
            if not finished.done():
                return None
            return final_status(finished.result(), node.broken)
        finally:
            for task in (finished, left):
                task.cancel()
            await asyncio.gather(finished, left, return_exceptions=True)


@asynccontextmanager
async def _connected(url: str, endpoint: NodeEndpoint) -> AsyncIterator[SpdyConnection]:
    """A SPDY connection that takes frames as long as the block runs. Raises ConnectionFailedError, StatusError."""
    headers = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", V4)]
    answer = await rawhttp.dial(url, "POST", headers, tls=endpoint.context)
    if answer.connection is None:
        raise _refused(answer)
    node = SpdyConnection(answer.connection)
    running = asyncio.create_task(node.run())
    try:
        yield node
    finally:
        await node.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _outputs(socket: web.WebSocketResponse, streams: dict[int, Stream]) -> bytes:
    """Pass stdout and stderr on until both have ended; then what the error stream said."""

    async def pass_on(channel: int) -> None:
        async for data in streams[channel].received():
            await socket.send_bytes(bytes([channel]) + data)

    async def collect() -> bytes:
        return b"".join([data async for data in streams[ERROR].received()])

    async with asyncio.TaskGroup() as group:
        said = group.create_task(collect())
        for channel in (STDOUT, STDERR):
            if channel in streams:
                group.create_task(pass_on(channel))
    return said.result()


async def _inputs(socket: web.WebSocketResponse, streams: dict[int, Stream]) -> None:
    """Pass stdin and terminal sizes on until the client leaves."""
    while True:
        message = await socket.receive()
        if message.type is not WSMsgType.BINARY:
            return
        data = bytes(message.data)
        if not data:
            continue
        channel, payload = data[0], data[1:]
        try:
            if channel == CLOSE and payload[:1] == bytes([STDIN]) and STDIN in streams:
                await streams[STDIN].close()
            elif channel in (STDIN, RESIZE) and channel in streams and payload:
                await streams[channel].send(payload)
        except ConnectionError:
            pass  # the node is done; its last words are on their way to the client


def final_status(message: bytes, broken: str = "") -> dict[str, Any]:
    """The Status that ends a session, from what the node's error stream said.

    Since v4 a runtime says Success as well (kubelet pkg/cri/streaming/remotecommand/exec.go and attach.go), so one
    that said nothing has died, or the way to it broke: whether the command ended well is not known.
    """
    if not message:
        return _failure(status.internal(f"error reading from error stream: {broken}") if broken else lost())
    try:
        said = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        return _protocol_failure(f"{error} in {message.decode(errors='replace')!r}")
    if said.get("status") == "Success":
        return {"metadata": {}, "status": "Success"}
    if said.get("status") != "Failure":
        return _protocol_failure("unknown error")
    if said.get("reason") != "NonZeroExitCode":
        return _failure(status.internal(said.get("message", "")))
    causes = (said.get("details") or {}).get("causes") or ()
    code = next((cause.get("message", "") for cause in causes if cause.get("reason") == "ExitCode"), "")
    if not code.isdigit():
        return _protocol_failure(f'invalid exit code value "{code}"' if code else "no ExitCode cause given")
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": code}]},
    }


def lost() -> StatusError:
    """What to say for a runtime that ended a session without a word."""
    return status.internal("the connection to the container runtime was lost before it told how the command ended")


def _protocol_failure(text: str) -> dict[str, Any]:
    return _failure(status.internal(f"error stream protocol error: {text}"))


def _failure(error: StatusError) -> dict[str, Any]:
    """A Status without its kind, as upstream writes it on the error channel."""
    out = error.to_dict()
    out["metadata"] = out.get("metadata") or {}
    return {key: value for key, value in out.items() if key not in ("kind", "apiVersion")}


def _refused(answer: rawhttp.Answer) -> StatusError:
    """The node's answer to our upgrade, when it is no 101."""
    text = answer.body.decode(errors="replace").strip()
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        said = None
    if isinstance(said, dict) and said.get("kind") == "Status":
        return StatusError.from_dict(answer.status, said)
    return status.internal(f"unable to upgrade connection: {text}")
