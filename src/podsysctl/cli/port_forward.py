"""`port-forward`: local ports that lead into a pod (kubectl pkg/cmd/portforward, v1.36)."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.cli import connect, podpick
from podsysctl.cli.connect import Connection
from podsysctl.client import streams
from podsysctl.client.rest import Object

HELP = """Forward local ports to a pod.

examples:
  podsysctl port-forward web 8080:80
  podsysctl port-forward deploy/web :80        on a free local port
  podsysctl port-forward svc/web 8443:https --address 0.0.0.0"""

CHUNK_BYTES = 32 * 1024
PORT_MAX = 65535


@dataclass(frozen=True, slots=True)
class Ports:
    """A local port (0 for a free one) and the pod's."""

    local: int
    remote: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `port-forward`."""
    parser.add_argument("word", metavar="POD", help="POD or TYPE/NAME")
    parser.add_argument("ports", nargs="+", metavar="[LOCAL:]REMOTE", help="ports; an empty local one is chosen freely")
    parser.add_argument(
        "--address", metavar="ADDRESS", default="localhost", help="where to listen, several with commas"
    )


def run(args: argparse.Namespace) -> int:
    """Run `port-forward`."""
    return connect.run(args, _forward)


async def _forward(connection: Connection, args: argparse.Namespace) -> int:
    specs = [parse(text) for text in args.ports]
    target = await _target(connection, args.word)
    pod = await podpick.pod(connection, args.word)
    phase = (pod.get("status") or {}).get("phase")
    if phase != "Running":
        raise PodsysctlError(f"unable to forward port because pod is not running. Current status={phase}")
    ports = [Ports(local, remote_port(remote, target, pod)) for local, remote in specs]
    ports = [Ports(p.remote if p.local < 0 else p.local, p.remote) for p in ports]
    await _serve(connection, args, pod, ports)
    return 0


def parse(text: str) -> tuple[int, str]:
    """A port word: the local port (0 free, -1 the same as the remote one) and the remote port or its name.

    >>> parse("8080:80"), parse(":http"), parse("80")
    ((8080, '80'), (0, 'http'), (-1, '80'))
    """
    local, colon, remote = text.partition(":")
    if not colon:
        local, remote = "-1", text
    if not remote:
        raise UsageError("remote port cannot be empty")
    if not local:
        local = "0"
    if (local != "-1" and not _is_port(local, 0)) or (remote.isdecimal() and not _is_port(remote, 1)):
        raise UsageError(f"invalid port format {text!r}", hint="LOCAL:REMOTE, such as 8080:80")
    return int(local), remote


def _is_port(text: str, lowest: int) -> bool:
    return text.isascii() and text.isdecimal() and lowest <= int(text) <= PORT_MAX


async def _target(connection: Connection, word: str) -> Object | None:
    """The Service that is forwarded to, if it is one: its ports have other numbers than the pod's."""
    kind_word, slash, name = word.partition("/")
    if not slash:
        return None
    kind = await connection.find(kind_word)
    return await connection.get(kind, name) if kind.qualified == "services" else None


def remote_port(text: str, service: Object | None, pod: Object) -> int:
    """The pod's port for a number or name. Raises UsageError."""
    wanted: str | int = text
    if service is not None:
        for port in service["spec"].get("ports") or ():
            if text in (str(port.get("port")), port.get("name")):
                wanted = port.get("targetPort") or port["port"]
                break
        else:
            raise UsageError(f"Service {service['metadata']['name']} does not have a service port {text}")
    if _is_port(str(wanted), 1):
        return int(wanted)
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == wanted:
                return int(port["containerPort"])
    raise UsageError(f"Pod '{pod['metadata']['name']}' does not have a named port '{wanted}'")


async def _serve(connection: Connection, args: argparse.Namespace, pod: Object, ports: Sequence[Ports]) -> None:
    names = args.address.split(",")
    addresses = [a for name in names for a in (["127.0.0.1", "::1"] if name == "localhost" else [name])]
    servers: list[asyncio.Server] = []
    async with asyncio.TaskGroup() as group, contextlib.AsyncExitStack() as stack:
        for pair in ports:
            bound = 0
            for address in addresses:
                try:
                    server = await _listen(connection, pod, pair, address, group)
                except OSError as error:
                    if bound or address != addresses[-1]:
                        continue
                    raise PodsysctlError(
                        f"unable to listen on port {pair.local}: {error.strerror or error}",
                        hint="choose another local port, or leave it empty: `:REMOTE`",
                    ) from error
                bound += 1
                servers.append(await stack.enter_async_context(server))
        sys.stdout.flush()
        await asyncio.gather(*(server.serve_forever() for server in servers))


async def _listen(
    connection: Connection, pod: Object, pair: Ports, address: str, group: asyncio.TaskGroup
) -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sys.stdout.write(f"Handling connection for {local}\n")
        sys.stdout.flush()
        try:
            await _carry(connection, pod, pair.remote, reader, writer)
        except PodsysctlError as error:
            sys.stderr.write(f"error: an error occurred forwarding {local} -> {pair.remote}: {error.message}\n")
        finally:
            writer.close()

    server = await asyncio.start_server(handle, address, pair.local)
    local = server.sockets[0].getsockname()[1]
    shown = f"[{address}]" if ":" in address else address
    sys.stdout.write(f"Forwarding from {shown}:{local} -> {pair.remote}\n")
    return server


async def _carry(
    connection: Connection, pod: Object, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    metadata = pod["metadata"]
    async with streams.open_port(connection.client, metadata["namespace"], metadata["name"], port) as remote:

        async def outward() -> None:
            while data := await reader.read(CHUNK_BYTES):
                await remote.write(data)

        async def inward() -> None:
            async for data in remote:
                writer.write(data)
                await writer.drain()

        tasks = [asyncio.ensure_future(outward()), asyncio.ensure_future(inward())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, PodsysctlError):
                raise result
