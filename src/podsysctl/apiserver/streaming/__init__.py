"""Logs, exec, attach and port-forward: carried between the client and the pod's node."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podsysctl.apiserver.context import ServerContext
from podsysctl.objects import status


async def handle_stream(
    request: web.Request, ctx: ServerContext, pod: dict[str, Any], subresource: str
) -> web.StreamResponse:
    """Answer one of log, exec, attach, portforward for a pod. Raises StatusError."""
    raise status.service_unavailable(f"the server cannot reach the node of pod {pod['metadata']['name']}")
