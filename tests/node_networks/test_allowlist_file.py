"""The node's allowlist file and the disk it is written to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from podsysctl.base import durable
from podsysctl.node.networks import allowlist_file
from podsysctl.node.networks.allowlist_file import AllowlistFile
from podsysctl.policy.interface import ALLOWLIST_KEY

TEXT = "^net.ipv4.conf.IFNAME.arp_filter$\n"


class _Api:
    """One ConfigMap, to which nothing happens."""

    async def list(self, *_: Any, **__: Any) -> Any:
        metadata = {"name": allowlist_file.NAME, "namespace": allowlist_file.NAMESPACE, "resourceVersion": "1"}
        return SimpleNamespace(items=[{"metadata": metadata, "data": {ALLOWLIST_KEY: TEXT}}], resource_version="1")

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield


async def test_allowlist_that_a_full_disk_does_not_take_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is one file of a node: its disk, which pods can fill, must not end the node and all others."""
    monkeypatch.setattr(allowlist_file, "RETRY_S", 0.0)
    file = AllowlistFile(cast(Any, _Api()), tmp_path / "allowlist.conf")
    file.ensure()
    write, refused, written = durable.write, [OSError(28, "No space left on device")] * 2, asyncio.Event()

    def full(*words: Any, **options: Any) -> None:
        if refused:
            raise refused.pop()
        write(*words, **options)
        written.set()

    monkeypatch.setattr(durable, "write", full)
    running = asyncio.create_task(file.run())
    async with asyncio.timeout(10):
        await asyncio.wait({running, asyncio.create_task(written.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert not running.done()
    running.cancel()
    assert (tmp_path / "allowlist.conf").read_text() == TEXT
