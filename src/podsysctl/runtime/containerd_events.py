"""Ends of containers from containerd's own event service, in the form of CRI's events.

CRI has had events since containerd 1.7. Debian 12 has 1.6, whose own service on the same socket tells of every
process that ends. CRI hears of it at the same moment as we do, so its state is waited for before anybody is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from podsysctl.base import limits
from podsysctl.runtime import containerd_events_pb2 as events
from podsysctl.runtime import cri_pb2 as cri

if TYPE_CHECKING:
    from podsysctl.runtime.service import RuntimeService

_SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
_FILTER = 'topic=="/tasks/exit",namespace==k8s.io'
_POLL_S = 0.01


async def follow(service: RuntimeService) -> AsyncIterator[cri.ContainerEventResponse]:
    """CONTAINER_STOPPED events, with the sandbox they belong to, until the stream ends.

    Raises RuntimeServiceError; code Unimplemented from a runtime that is not containerd.
    """
    request = events.SubscribeRequest(filters=[_FILTER])
    async for envelope in service.channel.stream(_SUBSCRIBE, request, events.Envelope):
        ended = events.TaskExit.FromString(envelope.event.value)
        if ended.id == ended.container_id:  # and not a command that ran inside
            sandbox = await _ended_sandbox(service, ended.container_id)
            if sandbox is not None:
                yield _event(ended.container_id, sandbox)


async def _ended_sandbox(service: RuntimeService, container_id: str) -> cri.PodSandbox | None:
    """The sandbox of a container, or the sandbox itself, once CRI says that it has ended."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + limits.RUNTIME_NOTICE_TIMEOUT_S
    while True:
        containers = await service.list_containers(cri.ContainerFilter(id=container_id))
        sandbox_id = containers[0].pod_sandbox_id if containers else container_id
        sandboxes = await service.list_pod_sandbox(cri.PodSandboxFilter(id=sandbox_id))
        if not sandboxes:
            return None  # removed meanwhile, which was somebody's doing
        seen = containers[0].state == cri.CONTAINER_EXITED if containers else sandboxes[0].state != cri.SANDBOX_READY
        if seen or loop.time() > deadline_s:
            return sandboxes[0]
        await asyncio.sleep(_POLL_S)


def _event(container_id: str, sandbox: cri.PodSandbox) -> cri.ContainerEventResponse:
    status = cri.PodSandboxStatus(
        id=sandbox.id,
        metadata=sandbox.metadata,
        state=sandbox.state,
        created_at=sandbox.created_at,
        labels=sandbox.labels,
        annotations=sandbox.annotations,
    )
    return cri.ContainerEventResponse(
        container_id=container_id, container_event_type=cri.CONTAINER_STOPPED_EVENT, pod_sandbox_status=status
    )
