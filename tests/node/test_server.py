"""What the node's endpoint does when its client goes between two steps."""

from __future__ import annotations

from typing import Any, cast

import pytest
from multidict import CIMultiDict

from podsysctl.base import rawhttp
from podsysctl.node import server


class _Stream:
    """The runtime's end of a stream."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        """Noted."""
        self.closed = True


class _Request:
    """A request for an upgrade."""

    method = "POST"
    headers = CIMultiDict({"Connection": "Upgrade"})


async def test_stream_of_a_client_that_is_gone_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the command goes on for four hours, until its stream counts as idle."""
    stream = _Stream()

    async def prepare() -> str:
        return "http://127.0.0.1:1/exec/token"

    async def dial(*_: Any) -> rawhttp.Answer:
        return rawhttp.Answer(101, "", CIMultiDict(), cast(Any, stream))

    async def accept_upgrade(*_: Any) -> None:
        raise ConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr(rawhttp, "dial", dial)
    monkeypatch.setattr(rawhttp, "accept_upgrade", accept_upgrade)
    with pytest.raises(ConnectionResetError):
        await server._carry(cast(Any, _Request()), prepare)
    assert stream.closed
