"""exec, attach and port-forward over WebSocket: numbered channels in one connection.

Protocol v5.channel.k8s.io, and v4 for servers before 1.30 (which cannot close stdin alone). Source:
Kubernetes apimachinery pkg/util/remotecommand and client-go tools/remotecommand, v1.36.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import orjson

from podsysctl.base import limits
from podsysctl.base.errors import ConnectionFailedError, PodsysctlError
from podsysctl.client import websocket
from podsysctl.client.rest import Client, quote_path
from podsysctl.client.websocket import WebSocket

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PORT_FORWARD_PROTOCOLS = ("v4.channel.k8s.io", "portforward.k8s.io")
CHUNK_BYTES = 32 * 1024


class RemoteCommandError(PodsysctlError):
    """The command could not be run, or its stream ended without a result."""

    reason = "RemoteCommandFailed"


async def _messages(socket: WebSocket) -> AsyncIterator[websocket.Message]:
    """Messages to the end; a connection that breaks ends them too, and the result that is missing tells of it."""
    try:
        async for message in socket:
            yield message
    except OSError:
        return


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of STDOUT or STDERR."""

    channel: int
    data: bytes


class RemoteProcess:
    """A command in a container: iterate for its output, then read `exit_code`. A context manager."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._result: bytes = b""
        self._ended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()

    @property
    def can_close_stdin(self) -> bool:
        """Whether the protocol lets the command see the end of its input."""
        return self._socket.protocol == V5

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        async for message in _messages(self._socket):
            if message.kind == websocket.BINARY:
                if not message.data:
                    continue
                channel, data = message.data[0], message.data[1:]
                if channel == ERROR:
                    self._result += data
                elif channel in (STDOUT, STDERR) and data:
                    yield Chunk(channel, data)
            else:
                raise RemoteCommandError("unexpected text message from server")
        self._ended = True

    @property
    def exit_code(self) -> int:
        """The command's exit code. Raises RemoteCommandError when it has none."""
        if not self._result:
            raise RemoteCommandError("the stream ended without a result: the connection to the server was lost")
        try:
            status = orjson.loads(self._result)
        except orjson.JSONDecodeError as error:
            raise RemoteCommandError(self._result.decode("utf-8", "replace")) from error
        if status.get("status") == "Success":
            return 0
        if status.get("reason") == "NonZeroExitCode":
            for cause in (status.get("details") or {}).get("causes") or ():
                if cause.get("reason") == "ExitCode" and str(cause.get("message")).isdigit():
                    return int(cause["message"])
        raise RemoteCommandError(status.get("message") or "the command failed for a reason the server did not tell")

    async def write(self, data: bytes) -> None:
        """Send input; returns once the connection has taken it. Raises ConnectionFailedError."""
        for start in range(0, len(data), CHUNK_BYTES):
            await self._send(bytes([STDIN]) + data[start : start + CHUNK_BYTES])

    async def close_stdin(self) -> None:
        """Let the command see the end of its input; without effect before v5."""
        if self.can_close_stdin:
            await self._send(bytes([CLOSE, STDIN]))

    async def resize(self, columns: int, rows: int) -> None:
        """Tell the command's terminal its size in characters."""
        await self._send(bytes([RESIZE]) + orjson.dumps({"Width": columns, "Height": rows}))

    async def _send(self, frame: bytes) -> None:
        if self._socket.closed:
            return
        try:
            async with asyncio.timeout(limits.STREAM_IDLE_TIMEOUT_S):
                await self._socket.send(frame)
        except (OSError, TimeoutError) as error:
            raise ConnectionFailedError(f"the stream to the container broke: {error}") from error


def _pod_path(namespace: str, pod: str, subresource: str) -> str:
    return f"/api/v1/namespaces/{quote_path(namespace)}/pods/{quote_path(pod)}/{subresource}"


async def open_process(
    client: Client,
    namespace: str,
    pod: str,
    *,
    command: list[str] | None = None,
    container: str = "",
    stdin: bool = False,
    stdout: bool = True,
    stderr: bool = True,
    tty: bool = False,
) -> RemoteProcess:
    """Run `command` in a container, or attach to its own process when there is no command.

    With a tty the container's stderr comes as stdout. Raises StatusError and ConnectionFailedError.
    """
    params = [("command", word) for word in command or ()]
    if container:
        params.append(("container", container))
    wanted = {"stdin": stdin, "stdout": stdout, "stderr": stderr and not tty, "tty": tty}
    params += [(name, "true") for name, value in wanted.items() if value]
    path = _pod_path(namespace, pod, "attach" if command is None else "exec")
    return RemoteProcess(await client.websocket(path, params, (V5, V4)))


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed, and its exit code."""

    stdout: bytes
    stderr: bytes
    exit_code: int


async def run(
    client: Client,
    namespace: str,
    pod: str,
    command: list[str],
    *,
    container: str = "",
    stdin: bytes | None = None,
    timeout_s: float = limits.REQUEST_TIMEOUT_S,
) -> Output:
    """Run a command to its end and collect its output. Raises RemoteCommandError after `timeout_s`."""
    collected: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
    try:
        async with asyncio.timeout(timeout_s):
            process = await open_process(
                client, namespace, pod, command=command, container=container, stdin=stdin is not None
            )
            async with process:
                if stdin is not None:
                    await process.write(stdin)
                    await process.close_stdin()
                async for chunk in process:
                    collected[chunk.channel].append(chunk.data)
    except TimeoutError as error:
        raise RemoteCommandError(f"{command[0]} in pod {namespace}/{pod} did not end in {timeout_s:g} s") from error
    return Output(b"".join(collected[STDOUT]), b"".join(collected[STDERR]), process.exit_code)


class ForwardedConnection:
    """One TCP connection into a pod: iterate for what it sends."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._heard: set[int] = set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for message in _messages(self._socket):
            if message.kind != websocket.BINARY or not message.data:
                raise RemoteCommandError("unexpected text message from server")
            channel, data = message.data[0], message.data[1:]
            if channel not in self._heard:  # the first message of each channel repeats the port, two bytes
                self._heard.add(channel)
                data = data[2:]
            if data and channel == 1:
                raise RemoteCommandError(data.decode("utf-8", "replace").strip())
            if data:
                yield data

    async def write(self, data: bytes) -> None:
        """Send bytes to the pod. Raises ConnectionFailedError."""
        try:
            async with asyncio.timeout(limits.STREAM_IDLE_TIMEOUT_S):
                await self._socket.send(b"\0" + data)
        except (OSError, TimeoutError) as error:
            raise ConnectionFailedError(f"the forwarded connection broke: {error}") from error

    async def close(self) -> None:
        """End the connection."""
        await self._socket.close()


@asynccontextmanager
async def open_port(client: Client, namespace: str, pod: str, port: int) -> AsyncIterator[ForwardedConnection]:
    """Connect to a TCP port inside a pod. Raises StatusError and ConnectionFailedError."""
    path = _pod_path(namespace, pod, "portforward")
    socket = await client.websocket(path, [("ports", str(port))], PORT_FORWARD_PROTOCOLS)
    connection = ForwardedConnection(socket)
    try:
        yield connection
    finally:
        await connection.close()
