"""A node that registers while its API server comes and goes."""

from __future__ import annotations

from typing import Any, cast

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.base.errors import ConnectionFailedError
from podsysctl.node import machine, registration
from podsysctl.node.config import AgentConfig
from podsysctl.node.registration import Registration
from podsysctl.node.simulated import records


class _Api:
    """Cannot be reached the first time of each call; and hears events."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def _answer(self, call: str, answer: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(call)
        if self.calls.count(call) == 1:
            raise ConnectionFailedError("it restarts")
        return answer

    async def create(self, _kind: Any, body: dict[str, Any]) -> dict[str, Any]:
        return self._answer("create", body)

    async def patch(self, _kind: Any, _name: str, patch: dict[str, Any], **_: Any) -> dict[str, Any]:
        return self._answer("patch", patch)

    def event(self, _about: Any, _kind: str, reason: str, _message: str) -> None:
        self.calls.append(reason)


async def test_registration_waits_for_the_api_at_each_step(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that starts with its cluster must not end because of a second of it."""
    monkeypatch.setattr(registration, "RETRY_S", 0.0)
    api, config = _Api(), AgentConfig("node1", tmp_path)
    node = Registration(
        cast(Any, api), records.read_facts, cast(Any, api), config, machine.read(tmp_path), ("192.0.2.1",), FakeClock()
    )
    await node.register()
    assert [call for call in api.calls if not call.startswith("Node")] == [
        "create", "create", "Starting", "patch", "patch"
    ]  # fmt: skip
