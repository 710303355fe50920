"""The whole server killed with SIGKILL while clients write: what was acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from podsysctl.client import config as client_config
from tests.apiserver.api import CONFIG_MAPS, PODS, config_map, pod

START_TIMEOUT_S = 30


class Child:
    """`python -m podsysctl.apiserver` as a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.url = ""
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> aiohttp.ClientSession:
        """Start it, wait until it serves, and connect as administrator."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "podsysctl.apiserver", "--data-dir", str(self.data_dir), "--port", "0",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), START_TIMEOUT_S)
        loaded = client_config.load(line.decode().strip())
        self.url = loaded.server
        context = ssl.create_default_context(cadata=loaded.ca.decode())
        context.load_cert_chain(self._pem(loaded.client_cert + loaded.client_key))
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    def _pem(self, content: bytes) -> Path:
        path = self.data_dir / "test-client.pem"
        path.write_bytes(content)
        return path

    async def kill(self) -> None:
        """As a crash would."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()


class Record(list[str]):
    """Paths of acknowledged objects; `full` is set once there are `count`."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.full = asyncio.Event()
        self._count = count

    def add(self, path: str) -> None:
        """Note one."""
        self.append(path)
        if len(self) >= self._count:
            self.full.set()


async def write(session: aiohttp.ClientSession, url: str, worker: int, acknowledged: Record) -> None:
    """Create pods and maps, until the server is gone."""
    for n in range(100_000):
        name = f"w{worker}-{n}"
        try:
            async with session.post(url + PODS, json=pod(name)) as answer:
                if answer.status == 201:
                    acknowledged.add(f"{PODS}/{name}")
            async with session.post(url + CONFIG_MAPS, json=config_map(name)) as answer:
                if answer.status == 201:
                    acknowledged.add(f"{CONFIG_MAPS}/{name}")
        except (aiohttp.ClientError, ConnectionError):
            return


@pytest.mark.parametrize("count", [1, 60, 300])
async def test_acknowledged_objects_survive_a_killed_server(tmp_path: Path, count: int) -> None:
    """At any moment, with eight writers; the next server serves all of it and goes on writing."""
    child = Child(tmp_path / "data")
    acknowledged = Record(count)
    async with await child.start() as session:
        writers = [asyncio.create_task(write(session, child.url, n, acknowledged)) for n in range(8)]
        await asyncio.wait_for(acknowledged.full.wait(), START_TIMEOUT_S)
        await child.kill()
        await asyncio.gather(*writers)
    async with await child.start() as session:
        for path in acknowledged:
            async with session.get(child.url + path) as answer:
                assert answer.status == 200, path
        async with session.post(child.url + PODS, json=pod("after")) as answer:
            assert answer.status == 201
        await child.kill()
    assert len(acknowledged) >= count
