"""Bridges of the host that attachments made: the bridge plugin makes one and never removes it; we do.

Only what was not there before and has no ports is removed. The list is on disk before the plugin runs.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from podsysctl.base import durable
from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime import commands

_LINKS = Path("/sys/class/net")


class Bridges:
    """The bridges of one machine; all nodes of it share one of these."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._in_use: Counter[str] = Counter()
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def using(self, names: Iterable[str]) -> AsyncIterator[None]:
        """While an attachment is made: bridges that do not exist yet are noted as ours, and none is removed."""
        wanted = list(names)
        async with self._lock:  # one that is just being removed is gone before it is looked at
            self._in_use.update(wanted)
        try:
            missing = [name for name in wanted if not (_LINKS / name).exists()]
            if missing:
                self._write({*self._read(), *missing})
            yield
        finally:
            self._in_use.subtract(wanted)

    def ours(self) -> set[str]:
        """The bridges that attachments made and that were not removed yet."""
        return self._read()

    async def tidy(self) -> None:
        """Remove our bridges that have no ports and are not being used. Raises PodsysctlError."""
        async with self._lock:
            ours = self._read()
            for name in sorted(ours):
                if self._in_use[name] > 0:
                    continue
                ports = _LINKS / name / "brif"
                if _is_empty(ports):
                    await commands.run("ip", "link", "delete", name)
                if not (_LINKS / name).exists():
                    self._write(self._read() - {name})

    def _read(self) -> set[str]:
        try:
            return set(json.loads(self._file.read_text()))
        except FileNotFoundError:
            return set()
        except ValueError as error:
            raise PodsysctlError(f"{self._file} cannot be read, so no bridge is removed: {error}") from error

    def _write(self, names: set[str]) -> None:
        if not names:
            self._file.unlink(missing_ok=True)
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        durable.write(self._file, json.dumps(sorted(names)))


def _is_empty(ports: Path) -> bool:
    """Is it the list of ports of a bridge that has none? Links come and go while one looks."""
    try:
        return not any(ports.iterdir())
    except FileNotFoundError:
        return False
