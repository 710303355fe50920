"""Logs, exec, attach and port-forward: carried between the client and the pod's node.

`location` says which path on the node is meant, `node_endpoint` where the node is, `podlog` passes text on,
`channels` translates today's WebSocket sessions, `tunnel` carries everything else as bytes,
and `last_words` says what a runtime that died cannot.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.streaming import channels, location, node_endpoint, podlog, tunnel
from podsysctl.objects import status


async def handle_stream(
    request: web.Request, ctx: ServerContext, pod: dict[str, Any], subresource: str
) -> web.StreamResponse:
    """Answer one of log, exec, attach, portforward for a pod. Raises StatusError."""
    node = pod["spec"].get("nodeName", "")
    if subresource == "log":
        path, query = location.log_path(pod, request.query)
        if not node:
            return podlog.empty()
        verify = not location.flag(request.query, "insecureSkipTLSVerifyBackend")
        endpoint = node_endpoint.find(ctx, node, verify=verify)
        return await podlog.proxy(request, endpoint, path, query, pod["metadata"]["name"])
    path, query = location.stream_path(pod, subresource, request.query)
    endpoint = node_endpoint.find(ctx, node)
    if "upgrade" not in request.headers.get("Connection", "").lower():
        raise status.bad_request("Upgrade request required")
    if subresource == "portforward":
        if tunnel.tunnelled_protocols(request):
            return await tunnel.carry_inside_websocket(request, endpoint, path, query)
    elif channels.V5 in tunnel.websocket_protocols(request):
        asked = (location.flag(request.query, key) for key in ("stdin", "stdout", "stderr", "tty"))
        return await channels.translate(request, endpoint, path, query, channels.Wanted(*asked))
    return await tunnel.carry(request, endpoint, path, query)
