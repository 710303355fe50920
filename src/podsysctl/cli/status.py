"""`podsysctl status`: does the cluster run, where, and how are its nodes?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from podsysctl.base.errors import ConnectionFailedError, NoClusterError, StatusError
from podsysctl.cli import machine_files
from podsysctl.cli.machine_files import MachineFiles, MachineState

HELP = "Show whether the cluster runs, its nodes and how to reach it. Exits 1 when it does not run."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own flags."""
    parser.add_argument(
        "--data-dir", type=Path, default=machine_files.DATA_DIR, metavar="DIR", help="where everything of it lies"
    )
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form of the answer")


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    files = MachineFiles(args.data_dir)
    state = files.read_state()
    if state is None or not files.is_running():
        raise NoClusterError(f"no cluster runs in {files.data_dir}", hint="start one with `podsysctl up`")
    nodes = read_nodes(state)
    if args.output == "json":
        print(json.dumps({
            "kubeconfig": state.kubeconfig, "server": state.server, "nodes": nodes,
            "runtimeEndpoint": state.runtime_endpoint, "pid": state.pid,
        }))  # fmt: skip
        return 0
    print(f"server:      {state.server}\nkubeconfig:  {state.kubeconfig}\nruntime:     {state.runtime_endpoint}")
    for node in nodes[: len(state.nodes)]:
        print(f"node:        {node['name']} {'Ready' if node['ready'] else 'NotReady'}")
    if state.simulated_nodes:
        ready = sum(node["ready"] for node in nodes[len(state.nodes) :])
        print(f"simulated:   {state.simulated_nodes} nodes, {ready} Ready")
    return 0


def is_ready(files: MachineFiles) -> bool:
    """Whether it runs and every node that it was started with is Ready."""
    state = files.read_state()
    if state is None:
        return False
    try:
        return all(node["ready"] for node in read_nodes(state))
    except (StatusError, ConnectionFailedError):
        return False


def read_nodes(state: MachineState) -> list[dict[str, Any]]:
    """Name and readiness of the nodes that the cluster was started with, simulated ones last. Raises StatusError."""
    from podsysctl.client import config, loop
    from podsysctl.client.rest import Client
    from podsysctl.objects.kinds import builtin_by_resource

    async def ask() -> list[dict[str, Any]]:
        async with Client(config.load(state.kubeconfig)) as client:
            return (await client.list(builtin_by_resource("", "v1", "nodes"))).items

    expected = (*state.nodes, *machine_files.simulated_names(state.simulated_nodes))
    found = {node["metadata"]["name"]: node for node in loop.run(ask(), uvloop=False)}
    return [{"name": name, "ready": name in found and _is_ready(found[name])} for name in expected]


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
