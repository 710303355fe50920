"""Joining this terminal to a process in a container: keys there, output here, sizes along, all put back after."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator

from podsysctl.base.errors import ConnectionFailedError
from podsysctl.cli.connect import Connection
from podsysctl.client import streams
from podsysctl.client.streams import RemoteProcess

CHUNK_BYTES = 32 * 1024


def wants_tty(asked: bool, stdin: bool, *, quiet: bool = False) -> bool:
    """Whether a tty can be had: stdin must be passed and be one."""
    if not asked or not stdin:
        return False
    if sys.stdin.isatty():
        return True
    if not quiet:
        sys.stderr.write("Unable to use a TTY - input is not a terminal or the right kind of file\n")
    return False


async def run(
    connection: Connection,
    namespace: str,
    pod: str,
    container: str,
    command: list[str] | None,
    *,
    stdin: bool,
    is_tty: bool,
) -> int:
    """Run (or without `command` attach to) a process with this process's stdin and stdout; its exit code."""
    process = await streams.open_process(
        connection.client, namespace, pod, command=command, container=container, stdin=stdin, tty=is_tty
    )
    with raw_mode(is_tty):
        async with process:
            await _join(process, stdin=stdin, is_tty=is_tty)
    code = process.exit_code
    if code:
        sys.stderr.write(f"command terminated with exit code {code}\n")
    return code


@contextlib.contextmanager
def raw_mode(active: bool) -> Iterator[None]:
    """Pass every key on unchanged; the terminal's own mode comes back whatever happens."""
    if not active:
        yield
        return
    handle = sys.stdin.fileno()
    saved = termios.tcgetattr(handle)
    try:
        tty.setraw(handle, termios.TCSANOW)  # what was typed before is input too
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, saved)


async def _join(process: RemoteProcess, *, stdin: bool, is_tty: bool) -> None:
    async with asyncio.TaskGroup() as group:
        helpers = []
        if stdin:
            helpers.append(group.create_task(_send_input(process)))
        if is_tty:
            helpers.append(group.create_task(_send_sizes(process)))
        async for chunk in process:
            out = sys.stdout if chunk.channel == streams.STDOUT else sys.stderr
            out.buffer.write(chunk.data)
            out.buffer.flush()
        for helper in helpers:
            helper.cancel()


async def _send_input(process: RemoteProcess) -> None:
    try:
        async for data in read_chunks(sys.stdin.fileno()):
            await process.write(data)
        await process.close_stdin()
    except ConnectionFailedError:
        # The process is gone and its connection with it; its result is what counts, and the reader has it.
        return


async def read_chunks(handle: int) -> AsyncIterator[bytes]:
    """The bytes of a terminal, pipe or file as they come."""
    loop = asyncio.get_running_loop()
    while True:
        ready = asyncio.Event()
        try:
            loop.add_reader(handle, ready.set)
        except PermissionError:  # a regular file is always ready
            ready.set()
        try:
            await ready.wait()
        finally:
            loop.remove_reader(handle)
        data = os.read(handle, CHUNK_BYTES)
        if not data:
            return
        yield data


async def _send_sizes(process: RemoteProcess) -> None:
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    changed.set()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            await changed.wait()
            changed.clear()
            size = os.get_terminal_size(sys.stdin.fileno())
            await process.resize(size.columns, size.lines)
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
