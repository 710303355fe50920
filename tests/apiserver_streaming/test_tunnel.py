"""What becomes of the node's side of a stream when the client's side never comes to be."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from podsysctl.apiserver.streaming import tunnel
from podsysctl.apiserver.streaming.node_endpoint import NodeEndpoint
from podsysctl.base import rawhttp

Carry = Callable[[web.Request, NodeEndpoint, str, str], Awaitable[web.StreamResponse]]


class NodeSide:
    """A connection that tells whether it was closed."""

    closed = False

    async def close(self) -> None:
        """End it."""
        self.closed = True


@pytest.mark.parametrize("carry", [tunnel.carry, tunnel.carry_inside_websocket])
async def test_client_that_leaves_before_its_upgrade_leaves_no_session_at_the_node(
    carry: Carry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection to the node is closed, and the failure goes on."""
    node = NodeSide()

    async def dial(*_: Any, **__: Any) -> rawhttp.Answer:
        return rawhttp.Answer(101, "", CIMultiDict(), node)  # type: ignore[arg-type]

    async def fail(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("gone")

    monkeypatch.setattr(rawhttp, "dial", dial)
    monkeypatch.setattr(rawhttp, "accept_upgrade", fail)
    monkeypatch.setattr(web.WebSocketResponse, "prepare", fail)
    endpoint = NodeEndpoint("127.0.0.1", 1, ssl.create_default_context())
    with pytest.raises(ConnectionResetError):
        await carry(make_mocked_request("GET", "/"), endpoint, "/exec", "")
    assert node.closed
