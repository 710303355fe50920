"""Our HTTP client beside aiohttp's: what one request costs, and how long a command takes to start."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Row

HELP = "CPU time of one request and of a command's start, beside aiohttp's client"

REQUESTS = 500
PATH = "/api/v1/namespaces/default"


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _ours(kubeconfig: str) -> float:
    from podsysctl.client import config
    from podsysctl.client.rest import Client

    async with Client(config.load(kubeconfig)) as client:
        await client.request("GET", PATH)
        began = _cpu_s()
        for _ in range(REQUESTS):
            await client.request("GET", PATH)
        return (_cpu_s() - began) / REQUESTS


async def _theirs(kubeconfig: str) -> float:
    import aiohttp
    import orjson

    from podsysctl.client import config, tls

    chosen = config.load(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=tls.create_context(chosen) or False)
    async with aiohttp.ClientSession(chosen.server, connector=connector) as session:

        async def once() -> None:
            async with session.get(PATH) as answer:
                orjson.loads(await answer.read())

        await once()
        began = _cpu_s()
        for _ in range(REQUESTS):
            await once()
        return (_cpu_s() - began) / REQUESTS


def _start_s(program: str) -> float:
    """The least CPU time of a new interpreter that runs the program."""
    best = 60.0
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def run() -> list[Row]:
    """Against an API server in a process of its own."""
    import uvloop

    with tempfile.TemporaryDirectory(prefix="psb-") as directory:
        arguments = ["-m", "podsysctl.apiserver", "--data-dir", str(Path(directory) / "d"), "--port", "0"]
        with (
            open(os.devnull, "wb") as nothing,
            subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=nothing, text=True) as server,
        ):
            try:
                assert server.stdout is not None
                kubeconfig = server.stdout.readline().strip()
                ours, theirs = uvloop.run(_ours(kubeconfig)), uvloop.run(_theirs(kubeconfig))
            finally:
                server.terminate()
    start = _start_s("import podsysctl.cli.get")
    peer = _start_s("import podsysctl.cli.get, aiohttp")
    return [
        Row("one GET over TLS, CPU of the client", f"{ours * 1e6:.0f} µs", f"aiohttp {theirs * 1e6:.0f} µs"),
        Row("start of `podsysctl get`, CPU", f"{start * 1e3:.0f} ms", f"with aiohttp {peer * 1e3:.0f} ms"),
    ]


if __name__ == "__main__":
    for row in asyncio.run(asyncio.to_thread(run)):
        print(row)
