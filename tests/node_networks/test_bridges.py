"""A bridge that goes with its last port while the next pod wants it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podsysctl.node.networks import bridges
from podsysctl.node.networks.bridges import Bridges
from podsysctl.runtime import commands


async def test_bridge_that_is_being_removed_is_gone_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the new pod's port goes with the old bridge, and a bridge that is made anew is nobody's."""
    links = tmp_path / "links"
    (links / "br0" / "brif").mkdir(parents=True)
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def delete(*words: str) -> str:
        begun.set()
        await may_end.wait()
        (links / words[-1] / "brif").rmdir()
        (links / words[-1]).rmdir()
        return ""

    monkeypatch.setattr(bridges, "_LINKS", links)
    monkeypatch.setattr(commands, "run", delete)
    found = Bridges(tmp_path / "bridges.json")
    (tmp_path / "bridges.json").write_text('["br0"]')

    async def attach() -> bool:
        async with found.using(["br0"]):
            was_there = (links / "br0").exists()
            (links / "br0" / "brif" / "port").mkdir(parents=True)
        return was_there

    async with asyncio.TaskGroup() as group:
        group.create_task(found.tidy())
        await begun.wait()
        attaching = group.create_task(attach())
        await asyncio.sleep(0)
        may_end.set()
    assert not attaching.result()
    assert found.ours() == {"br0"}
