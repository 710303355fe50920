"""`python -m podsysctl.node`: one node agent alone, against any Kubernetes API and any CRI runtime.

It ends on SIGTERM or SIGINT and leaves its pods running. It follows no pools, and serves no logs, exec or port-forward.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from podsysctl.base import stdio
from podsysctl.base.errors import PodsysctlError
from podsysctl.client import config as client_config
from podsysctl.client import loop
from podsysctl.client.events import EventRecorder
from podsysctl.client.rest import Client
from podsysctl.node.agent import Agent, parse_allowlist
from podsysctl.node.config import KUBELET_PORT, AgentConfig, KubeletConfiguration, load_kubelet_configuration
from podsysctl.node.networks.places import MachinePlaces, NodeNetworks
from podsysctl.node.tuning import networking, tuner
from podsysctl.node.tuning.arbiter import Arbiter
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
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            running = group.create_task(agent.run())
            others = [group.create_task(networks.run()), group.create_task(stopping.wait())]
            if options.node_tuning:
                work = await _tuning(client, agent, places, stack)
                others += [group.create_task(one) for one in work]
            await asyncio.wait({running, others[1]}, return_when=asyncio.FIRST_COMPLETED)
            for task in (running, *others):
                task.cancel()


async def _tuning(
    client: Client, agent: Agent, places: MachinePlaces, stack: AsyncExitStack
) -> tuple[Coroutine[Any, Any, None], ...]:
    """What applies the node's Profile; its values go when the stack is left, or at the next start."""
    config = agent.config
    arbiter = Arbiter(config.root, networking.dangers_for(lambda: None, places.bridges.ours))
    await asyncio.to_thread(arbiter.open)
    stack.push_async_callback(asyncio.to_thread, arbiter.close)
    events = EventRecorder(client, tuner.COMPONENT, config.node_name)
    node = tuner.NodeTuner(
        client,
        config.node_name,
        arbiter,
        events,
        running=agent.all_pods,
        protects=lambda: config.kubelet.protect_kernel_defaults,
    )
    return events.run(), node.run(), tuner.watch_drift(arbiter)


def main() -> int:
    """Parse the arguments, whose names are the kubelet's, and serve."""
    stdio.hold()
    parser = argparse.ArgumentParser(prog="python -m podsysctl.node", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="credentials; in-cluster ones without it")
    parser.add_argument("--container-runtime-endpoint", dest="endpoint", required=True, metavar="URL")
    parser.add_argument("--node-name", default=socket.gethostname().split(".")[0].lower())
    parser.add_argument("--root-dir", type=Path, required=True, help="volumes, logs and control files of this node")
    parser.add_argument("--config", type=Path, help="a KubeletConfiguration file")
    parser.add_argument("--node-ip", default="")
    parser.add_argument("--node-labels", default="", metavar="K=V,...")
    parser.add_argument("--port", type=int, default=KUBELET_PORT, help="the port that the Node object tells of")
    parser.add_argument("--node-tuning", action="store_true", help="apply the node's tuning Profile to this machine")
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
