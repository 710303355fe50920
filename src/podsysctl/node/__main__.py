"""`python -m podsysctl.node`: one node agent alone, against any Kubernetes API and any CRI runtime.

It ends on SIGTERM or SIGINT and leaves its pods running.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from podsysctl.base.errors import PodsysctlError
from podsysctl.client import config as client_config
from podsysctl.client import loop
from podsysctl.client.rest import Client
from podsysctl.node.agent import Agent, parse_allowlist
from podsysctl.node.config import KUBELET_PORT, AgentConfig, KubeletConfiguration, load_kubelet_configuration
from podsysctl.node.networks.places import MachinePlaces, NodeNetworks
from podsysctl.runtime.images import aliases
from podsysctl.runtime.service import RuntimeService


async def serve(options: argparse.Namespace) -> None:
    """Run the agent until told to stop. Raises PodsysctlError."""
    kubelet = load_kubelet_configuration(options.config) if options.config else KubeletConfiguration()
    config = AgentConfig(
        node_name=options.node_name,
        root=options.root_dir,
        node_ips=(options.node_ip,) if options.node_ip else (),
        labels=dict(entry.partition("=")[::2] for entry in options.node_labels.split(",") if entry),
        kubelet=kubelet,
        kubelet_port=options.port,
        image_aliases=aliases.load(options.root_dir / "aliases.toml"),
    )
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with Client(client_config.load(options.kubeconfig)) as client, RuntimeService(options.endpoint) as runtime:
        places = MachinePlaces.below(options.root_dir / "networks")
        networks = NodeNetworks(client, runtime, config.node_name, config.root, places)
        await asyncio.to_thread(networks.allowlist.ensure)
        allowed = parse_allowlist(config, os.uname().release)
        agent = Agent(client, runtime, config, extensions=(networks.extension(allowed),))
        async with asyncio.TaskGroup() as group:
            following = group.create_task(networks.run())
            running = group.create_task(agent.run())
            waiter = group.create_task(stopping.wait())
            await asyncio.wait({running, waiter}, return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            following.cancel()
            waiter.cancel()


def main() -> int:
    """Parse the arguments, whose names are the kubelet's, and serve."""
    parser = argparse.ArgumentParser(prog="python -m podsysctl.node", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="credentials; in-cluster ones without it")
    parser.add_argument("--container-runtime-endpoint", dest="endpoint", required=True, metavar="URL")
    parser.add_argument("--node-name", default=socket.gethostname().split(".")[0].lower())
    parser.add_argument("--root-dir", type=Path, required=True, help="volumes, logs and control files of this node")
    parser.add_argument("--config", type=Path, help="a KubeletConfiguration file")
    parser.add_argument("--node-ip", default="")
    parser.add_argument("--node-labels", default="", metavar="K=V,...")
    parser.add_argument("--port", type=int, default=KUBELET_PORT, help="where this node's HTTPS endpoint listens")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    failures: list[BaseException] = []
    try:
        loop.run(serve(options))
    except* PodsysctlError as group:
        failures.extend(_leaves(group))
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _leaves(group: BaseExceptionGroup[PodsysctlError]) -> list[BaseException]:
    """The errors inside a group of groups."""
    out: list[BaseException] = []
    for error in group.exceptions:
        out += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return out


if __name__ == "__main__":
    sys.exit(main())
