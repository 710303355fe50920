"""What `down` removes of the nodes of a machine: their pods, files, mounts and control groups. The API is not asked."""

from __future__ import annotations

from pathlib import Path

from podsysctl.base.attempts import Attempts
from podsysctl.client.config import ClientConfig
from podsysctl.client.rest import Client
from podsysctl.node import agent, cgroups
from podsysctl.node.config import AgentConfig
from podsysctl.node.volumes import manager
from podsysctl.runtime.service import RuntimeService


async def remove_pods(endpoint: str, nodes_dir: Path, names: tuple[str, ...]) -> None:
    """Stop and remove the nodes' pods in a runtime that stays. Raises PodsysctlError for what could not be."""
    async with RuntimeService(endpoint) as runtime:
        with Attempts() as attempts:
            for name in names:
                unasked = Client(ClientConfig(server="https://127.0.0.1:0"))
                with attempts.step():
                    await agent.drain(unasked, runtime, AgentConfig(node_name=name, root=nodes_dir / name))


def remove_control_groups(nodes_dir: Path) -> None:
    """Remove the nodes' control groups as far as nothing runs in them. Idempotent."""
    if nodes_dir.is_dir():
        for root in sorted(nodes_dir.iterdir()):
            cgroups.remove_node(AgentConfig(node_name=root.name, root=root))


def remove_files(nodes_dir: Path) -> None:
    """Unmount and delete the nodes' folders once no pod uses them, and their control groups.

    Raises PodsysctlError when a mount stays; nothing of that node is deleted then.
    """
    remove_control_groups(nodes_dir)
    if not nodes_dir.is_dir():
        return
    with Attempts() as attempts:
        for root in sorted(nodes_dir.iterdir()):
            with attempts.step():
                manager.remove_tree(root)
    nodes_dir.rmdir()
