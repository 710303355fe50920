"""What all workers of a node use, and what one pass over a pod leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from podsysctl.base.clock import Clock
from podsysctl.node import downward
from podsysctl.node import pod as pods
from podsysctl.node.backoff import Backoff
from podsysctl.node.config import AgentConfig
from podsysctl.node.container_status import StartFailure
from podsysctl.node.events import PodEvents
from podsysctl.node.extension import SandboxExtension
from podsysctl.node.hostname import DNS
from podsysctl.node.images import Images
from podsysctl.node.paths import NodePaths
from podsysctl.node.references import References
from podsysctl.node.runtime_reader import RuntimeReader
from podsysctl.node.stop import Stopper
from podsysctl.runtime.service import RuntimeService


@dataclass(slots=True)
class Outcome:
    """What one pass did: whether anything happened, what failed by container, and when to try again (seconds).

    `sandbox_id` is the one that was made; `started` are ids of containers by name.
    """

    acted: bool = False
    sandbox_id: str = ""
    failures: dict[str, StartFailure] = field(default_factory=dict)
    started: dict[str, str] = field(default_factory=dict)
    error: str = ""
    retry_s: float | None = None

    def fail(self, name: str, reason: str, message: str, retry_s: float | None = None) -> None:
        """Note a container that did not start."""
        self.failures[name] = StartFailure(reason, message)
        self.error = self.error or f"{reason}: {message}"
        if retry_s is not None:
            self.retry_s = retry_s if self.retry_s is None else min(self.retry_s, retry_s)


@dataclass(slots=True)
class Shared:
    """What all pods of a node use."""

    config: AgentConfig
    paths: NodePaths
    runtime: RuntimeService
    reader: RuntimeReader
    references: References
    images: Images
    events: PodEvents
    stopper: Stopper
    clock: Clock
    crash_backoff: Backoff
    sandbox_slots: asyncio.Semaphore
    node_facts: Callable[[], downward.NodeFacts]
    recursive_read_only: Callable[[pods.Pod], bool]
    node_dns: DNS
    default_sysctls: dict[str, str]
    memory_bytes: int
    runtime_name: str
    extensions: tuple[SandboxExtension, ...] = ()
