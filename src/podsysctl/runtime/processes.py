"""Processes that are found again after a restart of ours: by their arguments, and watched by a pidfd.

A process is ours when one of its arguments is our configuration file or socket, and its root directory is the
same as ours (a chroot may hold the same paths).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def find(program: str, argument: str) -> list[int]:
    """Processes whose program has this name and that have this argument, oldest first. Zombies are none."""
    wanted = argument.encode()
    root = _root(os.getpid())
    out = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        words = _arguments(int(entry))
        if (
            words
            and wanted in words[1:]
            and os.path.basename(words[0]) == program.encode()
            and _root(int(entry)) == root
        ):
            out.append(int(entry))
    return sorted(out)


def spawn(arguments: list[str], environment: dict[str, str], log: Path) -> int:
    """Start a program in a session of its own, so that it outlives us; its pid. Output is added to `log`.

    Its limits are the highest that we may have, as a service's would be: containers inherit them.
    """
    output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), output, (os.POSIX_SPAWN_DUP2, 1, 2)]
    with _highest_limits():
        return _spawn(arguments, environment, actions)


def _spawn(arguments: list[str], environment: dict[str, str], actions: list[tuple[Any, ...]]) -> int:
    return os.posix_spawn(
        arguments[0],
        arguments,
        environment,
        file_actions=actions,
        setsid=True,
        setsigdef=_ORDINARY_SIGNALS,
        setsigmask=[],
    )


_RAISED_LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE)
"""Those that containerd's own service unit raises."""

_ORDINARY_SIGNALS = [signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@contextlib.contextmanager
def _highest_limits() -> Iterator[None]:
    """Raise our own soft limits for a moment, since a started program gets what we have then."""
    saved = {limit: resource.getrlimit(limit) for limit in _RAISED_LIMITS}
    try:
        for limit, (_soft, hard) in saved.items():
            resource.setrlimit(limit, (hard, hard))
        yield
    finally:
        for limit, values in saved.items():
            resource.setrlimit(limit, values)


class Process:
    """A running process, child of ours or not."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError when there is no such process."""
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_end)

    @property
    def running(self) -> bool:
        """Whether it still runs, as far as the event loop has heard."""
        return not self._ended.is_set()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def wait(self) -> None:
        """Until it ends; the caller bounds it."""
        await self._ended.wait()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL after the grace; returns when it is gone."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.wait()

    def close(self) -> None:
        """Forget the process; it goes on running."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _on_end(self) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        self._ended.set()
        self.close()


async def kill_all(pids: list[int], wait_s: float, on_stuck: Callable[[int], None] = lambda _: None) -> None:
    """SIGKILL and wait for each; `on_stuck` hears of those that did not end in time."""
    waiting = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            waiting.append(Process(pid))
    for process in waiting:
        process.signal(signal.SIGKILL)
    for process in waiting:
        try:
            async with asyncio.timeout(wait_s):
                await process.wait()
        except TimeoutError:
            on_stuck(process.pid)
            process.close()


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return []  # it ended meanwhile


def _root(pid: int) -> tuple[int, int] | None:
    try:
        state = os.stat(f"/proc/{pid}/root")
    except OSError:
        return None
    return state.st_dev, state.st_ino
