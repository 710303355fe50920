"""What a node tells about its gates and its kernel in its Node object, for those who judge pods from afar."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import replace

from podsysctl.base.errors import KernelError
from podsysctl.client.rest import Client
from podsysctl.kernel import probe
from podsysctl.node.config import AgentConfig
from podsysctl.node.registration import NODES
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.runtime import hosttraits
from podsysctl.sysctls.kernel_facts import KernelFacts

log = logging.getLogger(__name__)


async def measure_kernel() -> KernelFacts | None:
    """Survey this machine's kernel once, off the event loop; None, and a warning, where it cannot be done."""
    try:
        return await asyncio.to_thread(probe.measure)
    except KernelError as error:
        log.warning("the kernel was not surveyed, so nodes publish no facts of it: %s", error.message)
        return None


async def publish(client: Client, config: AgentConfig, kernel: asyncio.Task[KernelFacts | None]) -> None:
    """Write the allowlist at once, and the kernel's facts when they are known. Raises StatusError."""
    await _annotate(client, config.node_name, gates(config))
    facts = await asyncio.shield(kernel)
    if facts is not None:
        await _annotate(client, config.node_name, replace(_gates(config), kernel=facts).to_annotations())


def gates(config: AgentConfig) -> dict[str, str]:
    """The annotations that tell the allowlist alone."""
    return _gates(config).to_annotations()


def _gates(config: AgentConfig) -> NodeFacts:
    return NodeFacts(
        name=config.node_name,
        release=os.uname().release,
        allowed=config.kubelet.allowed_unsafe_sysctls,
        defaults=config.kubelet.default_pod_sysctls,
        app_armor=hosttraits.has_apparmor(),
    )


async def _annotate(client: Client, node_name: str, annotations: Mapping[str, str]) -> None:
    await client.patch(NODES, node_name, {"metadata": {"annotations": dict(annotations)}})
