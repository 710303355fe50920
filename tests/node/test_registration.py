"""A node that registers while its API server comes and goes."""

from __future__ import annotations

from typing import Any, cast

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.base.errors import ConnectionFailedError
from podsysctl.node import machine, node_status, registration
from podsysctl.node.config import AgentConfig
from podsysctl.node.registration import Registration
from podsysctl.node.runtime_facts import FactsOfRuntime
from podsysctl.node.simulated import records
from podsysctl.runtime import cri_pb2 as cri


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


class _Runtime:
    """Says what containerd 2 says of itself, or what 1.6 does."""

    def __init__(self, *, new: bool) -> None:
        features = cri.RuntimeHandlerFeatures(recursive_read_only_mounts=True, user_namespaces=True)
        handlers = [cri.RuntimeHandler(name="", features=features), cri.RuntimeHandler(name="plain")]
        said = cri.RuntimeFeatures(supplemental_groups_policy=True)
        self._answer = cri.StatusResponse(runtime_handlers=handlers, features=said) if new else cri.StatusResponse()

    async def version(self) -> Any:
        return cri.VersionResponse(runtime_name="containerd", runtime_version="2.0.0")

    async def status(self) -> Any:
        return self._answer

    async def list_images(self) -> list[Any]:
        return []


async def test_node_shows_what_its_runtime_can_do(tmp_path: Any) -> None:
    """Handlers and features as the runtime tells them; of one that tells nothing, nothing is believed."""

    async def node(*, new: bool) -> dict[str, Any]:
        facts = await FactsOfRuntime(cast(Any, _Runtime(new=new)), lambda: "")()
        config, here = AgentConfig("node1", tmp_path), machine.read(tmp_path)
        return {"status": node_status.status(config, here, facts, (), {}, "2026-01-01T00:00:00Z")}

    new, old = await node(new=True), await node(new=False)
    assert new["status"]["features"] == {"supplementalGroupsPolicy": True}
    assert new["status"]["runtimeHandlers"][0] == {
        "name": "", "features": {"recursiveReadOnlyMounts": True, "userNamespaces": True}
    }  # fmt: skip
    assert [node_status.has_recursive_read_only(new, handler) for handler in ("", "plain", "other")] == [
        True, False, False
    ]  # fmt: skip
    assert not node_status.has_recursive_read_only(old, "")
    assert (node_status.has_groups_policy(new), node_status.has_groups_policy(old)) == (True, False)
    assert not node_status.differs({k: v for k, v in old["status"].items() if k != "runtimeHandlers"}, old["status"])
