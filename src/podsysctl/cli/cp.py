"""`cp`: files to and from a container, through `tar` in it (kubectl pkg/cmd/cp, v1.36).

Members that would land outside the destination are refused, whatever the container sends.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.cli import connect, podpick
from podsysctl.cli.connect import Connection
from podsysctl.client import streams

HELP = """Copy files to and from containers.

examples:
  podsysctl cp ./settings.conf web:/etc/settings.conf
  podsysctl cp demo/web:/var/log/app ./logs -c app"""

CHUNK_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A path, on this machine or in a pod."""

    path: str
    pod: str = ""
    namespace: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `cp`."""
    parser.add_argument("source", metavar="SOURCE", help="a path, or [NAMESPACE/]POD:PATH")
    parser.add_argument("destination", metavar="DESTINATION", help="a path, or [NAMESPACE/]POD:PATH")
    parser.add_argument("-c", "--container", metavar="NAME", default="", help="the container, the first one by default")


def run(args: argparse.Namespace) -> int:
    """Run `cp`."""
    source, destination = parse(args.source), parse(args.destination)
    if source.pod and destination.pod:
        raise UsageError("one of src or dest must be a local file specification")
    if not source.pod and not destination.pod:
        raise UsageError("one of src or dest must be a remote file specification", hint="POD:PATH names a pod's file")
    if not source.path or not destination.path:
        raise UsageError("filepath can not be empty")

    if not source.pod and not Path(source.path).exists():
        raise UsageError(f"{source.path} doesn't exist in local filesystem")

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        remote = source if source.pod else destination
        if remote.namespace:
            connection.namespace = remote.namespace
        pod = await podpick.pod(connection, remote.pod)
        podpick.refuse_finished(pod, "exec into")
        container = podpick.container(pod, args.container)
        if source.pod:
            await _download(connection, remote, container, source, destination)
        else:
            await _upload(connection, remote, container, source, destination)
        return 0

    return connect.run(args, body)


def parse(text: str) -> Place:
    """A place: `PATH`, `POD:PATH` or `NAMESPACE/POD:PATH`. Raises UsageError.

    >>> parse("demo/web:/etc"), parse("./a:b")
    (Place(path='/etc', pod='web', namespace='demo'), Place(path='./a:b', pod='', namespace=''))
    """
    head, colon, path = text.partition(":")
    if not colon or head.startswith((".", "/")):
        return Place(text)
    namespace, slash, pod = head.rpartition("/")
    if not pod or "/" in namespace:
        raise UsageError("filespec must match the canonical format: [[namespace/]pod:]file/path")
    return Place(path, pod, namespace if slash else "")


class CopyError(PodsysctlError):
    """Files could not be copied."""

    reason = "CopyFailed"


async def _upload(connection: Connection, remote: Place, container: str, source: Place, destination: Place) -> None:
    local = Path(source.path)
    target = PurePosixPath(destination.path)
    probe = await streams.run(
        connection.client, connection.namespace, remote.pod, ["test", "-d", str(target)], container=container
    )
    if probe.exit_code == 0 or destination.path.endswith("/"):
        target = target / local.name
    process = await streams.open_process(
        connection.client,
        connection.namespace,
        remote.pod,
        command=["tar", "-xmf", "-", "-C", str(target.parent)],
        container=container,
        stdin=True,
    )
    problems: list[bytes] = []
    async with process, asyncio.TaskGroup() as group:
        group.create_task(_collect(process, problems))
        writer = _ProcessWriter(process)
        await asyncio.to_thread(_pack, writer, local, target.name)
        await process.close_stdin()
    if process.exit_code:
        raise _failed(process.exit_code, problems)


class _ProcessWriter(io.RawIOBase):
    """A file that a thread writes to and whose bytes go to a remote process."""

    def __init__(self, process: streams.RemoteProcess) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        asyncio.run_coroutine_threadsafe(self._process.write(bytes(data)), self._loop).result()
        return len(data)


def _pack(writer: _ProcessWriter, local: Path, name: str) -> None:
    with tarfile.open(fileobj=writer, mode="w|", bufsize=CHUNK_BYTES) as archive:
        archive.add(local, arcname=name)


async def _collect(process: streams.RemoteProcess, problems: list[bytes]) -> None:
    async for chunk in process:
        problems.append(chunk.data)


async def _download(connection: Connection, remote: Place, container: str, source: Place, destination: Place) -> None:
    path = PurePosixPath(source.path)
    command = ["tar", "cf", "-", "-C", str(path.parent), path.name]
    process = await streams.open_process(
        connection.client, connection.namespace, remote.pod, command=command, container=container
    )
    problems: list[bytes] = []
    with tempfile.TemporaryFile() as spool:
        async with process:
            async for chunk in process:
                if chunk.channel == streams.STDOUT:
                    spool.write(chunk.data)
                else:
                    problems.append(chunk.data)
        if process.exit_code and not spool.tell():
            raise _failed(process.exit_code, problems)
        spool.seek(0)
        try:
            with tarfile.open(fileobj=spool) as archive:
                _unpack(archive, path.name, Path(destination.path))
        except (tarfile.TarError, OSError) as error:
            raise CopyError(f"cannot unpack {source.path} into {destination.path}: {error}") from error
        if process.exit_code:  # tar writes an archive of what it could read, even of nothing
            raise _failed(process.exit_code, problems)


def _failed(code: int, problems: list[bytes]) -> CopyError:
    text = b"".join(problems).decode("utf-8", "replace").strip()
    return CopyError(f"tar in the container exited with {code}: {text}")


def _unpack(archive: tarfile.TarFile, name: str, destination: Path) -> None:
    """Members named `name` or below it, put at the destination, or below it when that is a directory."""
    base = destination / name if destination.is_dir() and name not in (".", "") else destination
    for member in archive.getmembers():
        inner = PurePosixPath(member.name)
        relative = inner.relative_to(name) if inner.is_relative_to(name) else inner
        if ".." in relative.parts or relative.is_absolute():
            sys.stderr.write(f'warning: file "{member.name}" is outside target destination, skipping\n')
            continue
        target = base / relative
        if member.issym() or member.islnk():
            sys.stderr.write(f'warning: skipping symlink: "{target}" -> "{member.linkname}"\n')
        elif member.isdir():
            target.mkdir(parents=True, exist_ok=True)
        elif member.isfile():
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            if content is not None:
                target.write_bytes(content.read())
                target.chmod(member.mode & 0o777)
