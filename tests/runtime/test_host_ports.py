from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService
from tests.runtime.pods import container_config, sandbox_config

pytestmark = [pytest.mark.root, pytest.mark.runtime]

SERVER = """
import socketserver
class Hello(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"hello\\n")
socketserver.ThreadingTCPServer(("0.0.0.0", 8080), Hello).serve_forever()
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


def _rules(text: str) -> list[str]:
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    return [line for line in saved.splitlines() if text in line]


async def _hello(address: str, port: int) -> bytes:
    """What the server says, once it listens."""
    async with asyncio.timeout(10):
        while True:
            try:
                reader, writer = await asyncio.open_connection(address, port)
                line = await reader.readline()
                writer.close()
                await writer.wait_closed()
            except ConnectionError:
                line = b""
            if line:
                return line
            await asyncio.sleep(0.05)


async def test_host_port_leads_to_the_pod_until_it_stops(runtime: RuntimeService, log_directory: Path) -> None:
    """The pod is reached at its own address and at the node's port, and its rules go with it."""
    if shutil.which("iptables-save") is None:
        pytest.skip("iptables is not installed")
    port = _free_port()
    config = sandbox_config(log_directory)
    config.port_mappings.append(cri.PortMapping(container_port=8080, host_port=port))
    sandbox = await runtime.run_pod_sandbox(config)
    container = container_config([sys.executable, "-I", "-c", SERVER])
    for path in ("/usr", sys.base_prefix, sys.prefix):
        container.mounts.append(cri.Mount(container_path=path, host_path=path, readonly=True))
    created = await runtime.create_container(sandbox, container, config)
    await runtime.start_container(created)
    network = (await runtime.pod_sandbox_status(sandbox)).status.network
    assert await _hello(network.ip, 8080) == b"hello\n"
    assert await _hello("127.0.0.1", port) == b"hello\n"
    assert _rules(f"--dport {port} ") or _rules(f"--dports {port} ")
    await runtime.stop_pod_sandbox(sandbox)
    assert not _rules(f"--dport {port} ")
    assert not _rules(f"--dports {port} ")


async def test_pods_reach_each_other_at_both_addresses(runtime: RuntimeService, log_directory: Path) -> None:
    """Without any forwarding of the host: they share a bridge."""
    first = sandbox_config(log_directory)
    first_id = await runtime.run_pod_sandbox(first)
    second = sandbox_config(log_directory)
    second_id = await runtime.run_pod_sandbox(second)
    created = await runtime.create_container(first_id, container_config(["sleep", "infinity"]), first)
    await runtime.start_container(created)
    network = (await runtime.pod_sandbox_status(second_id)).status.network
    for address in (network.ip, *(entry.ip for entry in network.additional_ips)):
        # Nobody listens there, and a refusal is an answer of the other pod's kernel.
        probe = f"exec 3<>/dev/tcp/{address}/9"
        result = await runtime.exec_sync(created, ["bash", "-c", probe], 10)
        assert b"Connection refused" in result.stderr, (address, result)
